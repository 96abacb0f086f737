package predict

import (
	"path/filepath"
	"testing"
)

func TestReportsStayInTheirDirectory(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		dir, name, want string
		wrong           bool
	}{
		{dir: "", name: "news/staging", want: ""},
		{dir: "reports", name: "", want: "reports"},
		{dir: "reports", name: "news/staging", want: filepath.Join("reports", "news", "staging")},
		{dir: "reports", name: "news/", want: filepath.Join("reports", "news")},
		{dir: "reports", name: "/staging", want: filepath.Join("reports", "staging")},
		{dir: "reports", name: "../elsewhere", wrong: true},
	} {
		f := runFlags{reportDir: tc.dir, reportName: tc.name}
		got, err := f.reports()
		if got != tc.want || (err != nil) != tc.wrong {
			t.Errorf("%q in %q: %q, %v; want %q", tc.name, tc.dir, got, err, tc.want)
		}
	}
}
