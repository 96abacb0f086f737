package step_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/step"
)

func TestRedactor(t *testing.T) {
	t.Parallel()
	var r step.Redactor
	r.Add("hunter2-and-more")
	r.Add("abc") // too short to be a secret
	r.Add("-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END KEY-----")
	for _, tc := range []struct{ name, in, want string }{
		{"plain", "x hunter2-and-more y", "x [redacted] y"},
		{"short texts stay", "abc", "abc"},
		{"a line of a key", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", "[redacted]"},
		{"in a URL", "https://u:hunter2-and-more@h/", "https://u:[redacted]@h/"},
	} {
		if got := r.String(tc.in); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	for _, prefix := range []string{"", "u:", "me:", "you:"} {
		text := base64.StdEncoding.EncodeToString([]byte(prefix + "hunter2-and-more"))
		if got := r.String("Basic " + text); !strings.Contains(got, step.Redacted) {
			t.Errorf("base64 of %q + secret passed: %q", prefix, got)
		}
	}
}

func TestRedactingWriterAcrossWrites(t *testing.T) {
	t.Parallel()
	const secret = "0123456789abcdef"
	var r step.Redactor
	r.Add(secret)
	for _, filler := range []int{0, 10, 64<<10 - 8, 64 << 10, 200_000} {
		var out strings.Builder
		w := r.Writer(&out)
		text := strings.Repeat("-", filler) + secret + strings.Repeat("+", 70_000) + "\nend " + secret
		for len(text) > 0 {
			n := min(len(text), 1000)
			if _, err := w.Write([]byte(text[:n])); err != nil {
				t.Fatal(err)
			}
			text = text[n:]
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); strings.Contains(got, secret) || strings.Count(got, step.Redacted) != 2 {
			t.Errorf("filler %d: %d redactions", filler, strings.Count(got, step.Redacted))
		}
	}
}

func FuzzRedactor(f *testing.F) {
	f.Add("secret-value", "a secret-value b")
	f.Add("aaaa", "aaaaaaa")
	f.Fuzz(func(t *testing.T, secret, text string) {
		var r step.Redactor
		r.Add(secret)
		trimmed := strings.TrimSpace(secret)
		if len(trimmed) < 4 {
			return
		}
		for piece := range strings.SplitSeq(r.String(text+trimmed+text), step.Redacted) {
			if strings.Contains(piece, trimmed) {
				t.Errorf("secret %q is left in %q", trimmed, piece)
			}
		}
	})
}
