package predict

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/model-delivery/model-delivery/steps/predict/report"
)

// Bounds of the requests that are kept for replays: how many, and how many bytes
// in all.
const (
	maxKept      = 20
	maxKeptBytes = 32 << 20
)

// keeper keeps the bodies of requests that no command line can carry, as files
// beside the report. It is safe for concurrent use; a nil one keeps nothing.
type keeper struct {
	dir   string
	clean func(string) string // takes secrets out of a text

	mu    sync.Mutex
	bytes int
	paths map[[sha256.Size]byte]string
}

// newKeeper keeps requests below a directory for reports; "": nowhere.
func newKeeper(reports string, clean func(string) string) *keeper {
	if reports == "" {
		return nil
	}
	return &keeper{dir: reports, clean: clean, paths: map[[sha256.Size]byte]string{}}
}

// keep writes a body into a file, once, and returns its path. The error says why
// it is not kept.
func (k *keeper) keep(body []byte) (string, error) {
	if k == nil {
		return "", fmt.Errorf("it is kept with --report-dir only")
	}
	text := string(body)
	clean := k.clean(text)
	binary := !isText(body)
	if binary && clean != text {
		return "", fmt.Errorf("it holds a secret")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	sum := sha256.Sum256(body)
	if path, ok := k.paths[sum]; ok {
		return path, nil
	}
	if len(k.paths) >= maxKept || k.bytes+len(body) > maxKeptBytes {
		return "", fmt.Errorf("only %d requests are kept, of %d bytes in all", maxKept, maxKeptBytes)
	}
	path := report.RequestPath(k.dir, len(k.paths)+1, binary)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", fmt.Errorf("it cannot be kept: %w", err)
	}
	if err := os.WriteFile(path, []byte(clean), 0o644); err != nil {
		return "", fmt.Errorf("it cannot be kept: %w", err)
	}
	k.paths[sum] = path
	k.bytes += len(body)
	return path, nil
}

// isText tells whether a command line can carry a body.
func isText(body []byte) bool {
	if !utf8.Valid(body) {
		return false
	}
	for _, r := range string(body) {
		if report.Steers(r) && !strings.ContainsRune("\t\n\r", r) {
			return false // it would steer a terminal, or end the text
		}
	}
	return true
}
