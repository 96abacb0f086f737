package atomicfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/model-delivery/model-delivery/steps/atomicfile"
)

func TestReplace(t *testing.T) {
	t.Parallel()
	full := errors.New("the disk is full")
	for name, tc := range map[string]struct {
		before string
		err    error
		want   string
	}{
		"a new file":              {want: "new"},
		"one that is there":       {before: "old", want: "new"},
		"one that cannot be made": {before: "old", err: full, want: "old"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "file")
			if tc.before != "" {
				if err := os.WriteFile(path, []byte(tc.before), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			err := atomicfile.Replace(path, 0o600, func(file *os.File) error {
				_, err := file.WriteString("new")
				return errors.Join(err, tc.err)
			})
			if !errors.Is(err, tc.err) {
				t.Errorf("error %v", err)
			}
			if got, _ := os.ReadFile(path); string(got) != tc.want {
				t.Errorf("it holds %q, want %q", got, tc.want)
			}
			if info, _ := os.Stat(path); tc.err == nil && info.Mode() != 0o600 {
				t.Errorf("mode %v", info.Mode())
			}
			if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
				t.Errorf("%d files are there", len(entries))
			}
		})
	}
}
