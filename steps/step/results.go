package step

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// DefaultResultsDir is where Tekton reads the results of a step from.
const DefaultResultsDir = "/tekton/results"

// MaxResultBytes bounds one result. Tekton hands results over in a
// container's termination message, 4096 bytes for all of a pod's.
const MaxResultBytes = 4096

var resultName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)

// Results collects what a step hands to the next one. Values are redacted. It
// is safe for use by several goroutines.
type Results struct {
	redact *Redactor
	mu     sync.Mutex
	values map[string]any
}

// Set records a string result. The last value of a name counts.
func (r *Results) Set(name, value string) { r.set(name, r.redact.String(value)) }

// SetArray records an array result; nil becomes the empty array.
func (r *Results) SetArray(name string, values []string) {
	out := make([]string, len(values))
	for i, value := range values {
		out[i] = r.redact.String(value)
	}
	r.set(name, out)
}

// SetObject records an object result; nil becomes the empty object.
func (r *Results) SetObject(name string, values map[string]string) {
	out := make(map[string]string, len(values))
	for key, value := range values {
		out[key] = r.redact.String(value)
	}
	r.set(name, out)
}

func (r *Results) set(name string, value any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.values == nil {
		r.values = map[string]any{}
	}
	r.values[name] = value
}

// Get returns a string result set before.
func (r *Results) Get(name string) (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	value, ok := r.values[name].(string)
	return value, ok
}

// line is all results as one line of JSON, or nil when there are none.
func (r *Results) line() ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.values) == 0 {
		return nil, nil
	}
	return encodeJSON(r.values)
}

// write puts every result into a file of its own under dir, without a newline
// at the end. A directory that is not there means that nobody asked.
func (r *Results) write(dir string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if dir == "" || len(r.values) == 0 {
		return nil
	}
	if info, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("looking at the results directory: %w", err)
	} else if !info.IsDir() {
		return fmt.Errorf("results directory %s is not a directory", dir)
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(r.values)) {
		errs = append(errs, r.writeOne(dir, name))
	}
	return errors.Join(errs...)
}

func (r *Results) writeOne(dir, name string) error {
	if !resultName.MatchString(name) {
		return fmt.Errorf("result name %q is not one that Tekton takes", name)
	}
	var data []byte
	if text, ok := r.values[name].(string); ok {
		data = []byte(strings.TrimRight(text, "\n"))
	} else {
		var err error
		if data, err = encodeJSON(r.values[name]); err != nil {
			return fmt.Errorf("encoding result %s: %w", name, err)
		}
	}
	if len(data) > MaxResultBytes {
		return fmt.Errorf("result %s has %d bytes, more than the %d that Tekton takes", name, len(data), MaxResultBytes)
	}
	// Tekton's result files are not executable and read by its entrypoint.
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
		return fmt.Errorf("writing result %s: %w", name, err)
	}
	return nil
}

func encodeJSON(value any) ([]byte, error) {
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return nil, err
	}
	return []byte(strings.TrimRight(out.String(), "\n")), nil
}
