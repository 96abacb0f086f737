package dataset_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/predict/dataset"
)

func file(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// rows reads all rows as text, with their lines.
func rows(o dataset.Options, columns ...string) ([]string, error) {
	r, err := dataset.Open(o, columns)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var out []string
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, fmt.Sprintf("%d:%#v", r.Line(), row))
	}
}

func TestRows(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		file, text string
		options    dataset.Options
		columns    []string
		want, says string
	}{
		"numbers":             {"a.csv", "a,b\n1,x\n2.5,y\n", dataset.Options{}, []string{"b", "a"}, `2:[]interface {}{"x", 1} 3:[]interface {}{"y", 2.5}`, ""},
		"leading zeros":       {"a.csv", "zip\n01234\n02345\n", dataset.Options{}, []string{"zip"}, `2:[]interface {}{"01234"} 3:[]interface {}{"02345"}`, ""},
		"a type of one's own": {"a.csv", "n\n1\n", dataset.Options{Types: map[string]string{"n": "text"}}, []string{"n"}, `2:[]interface {}{"1"}`, ""},
		"missing number":      {"a.csv", "n,m\n1,1\n,1\n", dataset.Options{}, []string{"n"}, `2:[]interface {}{1} 3:[]interface {}{interface {}(nil)}`, ""},
		"booleans":            {"a.csv", "n\ntrue\nFalse\n", dataset.Options{}, []string{"n"}, `2:[]interface {}{true} 3:[]interface {}{false}`, ""},
		"quoted lines":        {"a.csv", "t,n\n\"a\nb\",1\nc,2\n", dataset.Options{}, []string{"t"}, `2:[]interface {}{"a\nb"} 4:[]interface {}{"c"}`, ""},
		"tabs":                {"a.tsv", "a\tb\n1\t2\n", dataset.Options{}, []string{"b"}, `2:[]interface {}{2}`, ""},
		"semicolons":          {"a.csv", "a;b\n1;2\n", dataset.Options{Delimiter: ';'}, []string{"b"}, `2:[]interface {}{2}`, ""},
		"a mark of bytes":     {"a.csv", "\xef\xbb\xbfa\n1\n", dataset.Options{}, []string{"a"}, `2:[]interface {}{1}`, ""},
		"JSON lines":          {"a.jsonl", "{\"a\":[1,2]}\n\n{\"a\":\"x\"}", dataset.Options{}, []string{"a"}, `1:[]interface {}{[]interface {}{1, 2}} 3:[]interface {}{"x"}`, ""},
		"a limit":             {"a.csv", "a\n1\n2\n", dataset.Options{Limit: 1}, []string{"a"}, `2:[]interface {}{1}`, ""},
		"no such column":      {"a.csv", "a\n1\n", dataset.Options{}, []string{"b"}, "", `no column "b"; there are a`},
		"a ragged row":        {"a.csv", "a,b\n1,2\n3\n", dataset.Options{}, []string{"a"}, "", "line 3"},
		"a late text":         {"a.csv", "a\n" + strings.Repeat("1\n", 200) + "x\n", dataset.Options{}, []string{"a"}, "", `line 202: column "a" has "x", which is no number`},
		"half of the JSON":    {"a.jsonl", "{\"a\":1}\n{\"a\":", dataset.Options{}, []string{"a"}, "", "line 2"},
		"a field is missing":  {"a.jsonl", "{\"a\":1}\n{\"b\":1}", dataset.Options{}, []string{"a"}, "", `line 2 has no "a"`},
		"empty":               {"a.csv", "", dataset.Options{}, []string{"a"}, "", "empty"},
		"an endless row":      {"a.csv", "a\n\"" + strings.Repeat("x", dataset.MaxRow+1<<17), dataset.Options{}, []string{"a"}, "", "longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.options.Path = file(t, tc.file, tc.text)
			got, err := rows(tc.options, tc.columns...)
			if tc.says != "" {
				if err == nil || !strings.Contains(err.Error(), tc.says) {
					t.Errorf("error %v, want %q", err, tc.says)
				}
				return
			}
			if err != nil || strings.Join(got, " ") != tc.want {
				t.Errorf("got %s, error %v, want %s", got, err, tc.want)
			}
		})
	}
}

// TestNaN reads what pandas writes for no number and for infinities.
func TestNaN(t *testing.T) {
	t.Parallel()
	r, err := dataset.Open(dataset.Options{Path: file(t, "a.csv", "a,b\nnan,-inf\n1,2\n")}, []string{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	row, err := r.Next()
	if err != nil || !math.IsNaN(row[0].(float64)) || !math.IsInf(row[1].(float64), -1) {
		t.Errorf("got %v, error %v", row, err)
	}
}

// TestMemoryIsFlat reads many rows and keeps none.
func TestMemoryIsFlat(t *testing.T) {
	text := "a,b,label\n" + strings.Repeat("0.25,some text that is a little longer,3\n", 300_000)
	path := file(t, "a.csv", text)
	text = ""
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	r, err := dataset.Open(dataset.Options{Path: path}, []string{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	n := 0
	for ; ; n++ {
		if _, err := r.Next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if n == 250_000 {
			if now := heap(); now > before+4<<20 {
				t.Errorf("%d more bytes are held after %d rows", now-before, n)
			}
		}
	}
	if n != 300_000 {
		t.Errorf("read %d rows", n)
	}
}
