package step

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Redacted stands where a secret was.
const Redacted = "[redacted]"

// minSecret is the shortest text, in bytes, that counts as a secret: shorter
// ones would blank out ordinary words.
const minSecret = 4

// maxHeld bounds, in bytes, how much of an unfinished line a redacting writer
// holds back before it hands it on.
const maxHeld = 64 << 10

// Redactor replaces secrets in text: as they are, escaped for JSON, HTML or a
// URL, and in the forms that base64 gives them. The zero value is ready and empty. It is
// safe for use by several goroutines.
type Redactor struct {
	mu      sync.RWMutex
	needles []string
	spelled map[string]*spelling
	longest int
}

// Add makes a secret known. Each line of a secret of several lines is a
// secret too, since logs cut at lines. Secrets under four bytes are ignored.
func (r *Redactor) Add(secret string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	secret = strings.TrimSpace(secret)
	r.add(secret)
	if strings.Contains(secret, "\n") {
		for line := range strings.Lines(secret) {
			if line = strings.TrimSpace(line); len(line) >= 16 {
				r.add(line)
			}
		}
	}
}

func (r *Redactor) add(secret string) {
	if len(secret) < minSecret {
		return
	}
	for _, form := range forms(secret) {
		if len(form) >= minSecret && !slices.Contains(r.needles, form) {
			r.needles = append(r.needles, form)
			r.longest = max(r.longest, len(form))
		}
	}
	if found := spellings(secret); found != nil && r.spelled[secret] == nil {
		if r.spelled == nil {
			r.spelled = map[string]*spelling{}
		}
		r.spelled[secret] = found
		r.longest = max(r.longest, longestSpelling*len(secret))
	}
	// The longest first, so that a secret within another leaves no rest.
	slices.SortStableFunc(r.needles, func(a, b string) int { return len(b) - len(a) })
}

// forms lists the spellings under which a secret may turn up. Base64 of a
// longer text that contains the secret depends on the secret's offset in it,
// so the three possible offsets are covered, without the characters that
// depend on the neighbours.
func forms(secret string) []string {
	out := []string{secret, url.QueryEscape(secret), url.PathEscape(secret), url.UserPassword("u", secret).String()[2:]}
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for offset := range 3 {
			padded := append(bytes.Repeat([]byte{0}, offset), secret...)
			text := enc.EncodeToString(padded)
			start := []int{0, 2, 3}[offset]
			end := len(padded) / 3 * 4
			if end-start >= 8 {
				out = append(out, text[start:end])
			}
		}
	}
	return out
}

// String returns text with every known secret replaced.
func (r *Redactor) String(text string) string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, needle := range r.needles {
		text = strings.ReplaceAll(text, needle, Redacted)
	}
	for _, s := range r.spelled {
		text = s.replace(text)
	}
	return text
}

// Writer returns a writer that redacts what passes to w. It hands on whole
// lines; Flush hands on the rest.
func (r *Redactor) Writer(w io.Writer) *RedactingWriter {
	return &RedactingWriter{redactor: r, w: w}
}

// RedactingWriter is made by [Redactor.Writer]. It is safe for use by several
// goroutines.
type RedactingWriter struct {
	redactor *Redactor
	mu       sync.Mutex
	w        io.Writer
	held     []byte
}

// Write takes p and hands on every whole line.
func (w *RedactingWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = append(w.held, p...)
	cut := bytes.LastIndexByte(w.held, '\n') + 1
	if cut == 0 && len(w.held) > maxHeld {
		// No line end in sight: what is left after whole secrets are gone can
		// at most begin one more, so that much is kept back.
		w.held = []byte(w.redactor.String(string(w.held)))
		w.redactor.mu.RLock()
		cut = len(w.held) - w.redactor.longest
		w.redactor.mu.RUnlock()
	}
	if cut <= 0 {
		return len(p), nil
	}
	if err := w.emit(cut); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (w *RedactingWriter) emit(n int) error {
	text := w.redactor.String(string(w.held[:n]))
	w.held = append(w.held[:0], w.held[n:]...)
	_, err := io.WriteString(w.w, text)
	return err
}

// Flush hands on an unfinished last line.
func (w *RedactingWriter) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.held) == 0 {
		return nil
	}
	return w.emit(len(w.held))
}
