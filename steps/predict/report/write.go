package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"golang.org/x/sync/errgroup"

	"github.com/model-delivery/model-delivery/steps/atomicfile"
)

// longReport is how many checks a report has that is for programs alone: its JSON
// is not indented.
const longReport = 1000

// JSON is the report as JSON, indented for people unless it is long.
func (r *Report) JSON() ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if len(r.Checks) < longReport {
		enc.SetIndent("", "  ")
	}
	if err := enc.Encode(r); err != nil {
		return nil, fmt.Errorf("encode the report: %w", err)
	}
	return out.Bytes(), nil
}

// files are those that a report is written into.
var files = []string{"report.json", "junit.xml", "report.md", "report.html"}

// Remove removes the report that an earlier run left in dir, so that it cannot be
// taken for that of one which comes to nothing. No directory: nothing to remove.
func Remove(dir string) error {
	if dir == "" {
		return nil
	}
	for _, name := range files {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove the report of an earlier run: %w", err)
		}
	}
	return removeRequests(dir)
}

// requestsDir is where requests are kept, in the directory of a report.
const requestsDir = "requests"

// RequestPath is where the n-th request that is kept beside a report in dir lies.
func RequestPath(dir string, n int, binary bool) string {
	ending := "json"
	if binary {
		ending = "bin"
	}
	return filepath.Join(dir, requestsDir, fmt.Sprintf("request-%d.%s", n, ending))
}

var requestName = regexp.MustCompile(`^request-[0-9]+\.(json|bin)$`)

// removeRequests removes requests that an earlier run kept, and nothing else.
func removeRequests(dir string) error {
	dir = filepath.Join(dir, requestsDir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // there are none
	}
	for _, e := range entries {
		if !requestName.MatchString(e.Name()) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("remove a request of an earlier run: %w", err)
		}
	}
	_ = os.Remove(dir) // unless somebody else has files there
	return nil
}

// Write writes report.json, junit.xml, report.md and report.html into dir,
// which is made where it is absent. clean takes secrets out of each.
func (r *Report) Write(dir string, clean func(string) string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the directory for reports: %w", err)
	}
	var group errgroup.Group
	for name, text := range map[string]func() (string, error){
		"report.json": r.jsonText, "report.html": r.HTML,
		"junit.xml": func() (string, error) { return string(r.JUnit()), nil },
		"report.md": func() (string, error) { return r.Markdown(), nil },
	} {
		group.Go(func() error {
			text, err := text()
			if err != nil {
				return err
			}
			if err := atomicfile.Write(filepath.Join(dir, name), []byte(clean(text)), 0o644); err != nil {
				return fmt.Errorf("write %s: %w", name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func (r *Report) jsonText() (string, error) {
	data, err := r.JSON()
	return string(data), err
}
