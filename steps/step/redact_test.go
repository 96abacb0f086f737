package step_test

import (
	"encoding/base64"
	"slices"
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

// TestEscapedSecrets: a server may echo a secret in any usual form.
func TestEscapedSecrets(t *testing.T) {
	t.Parallel()
	for secret, texts := range map[string][]string{
		`ab"c/d<e>`: {
			`{"got":"Bearer ab\"c\/d<e>"}`, `{"got":"ab\"c/d\u003ce\u003e"}`, `{"got":"ab\u0022c\u002Fd\u003Ce\u003E"}`, `ab&quot;c/d&lt;e&gt;`, `ab&#34;c&#x2F;d&lt;e&gt;`,
			`ab%22c%2Fd%3Ce%3E`, `ab%22c/d%3ce%3e`, `{"inner":"{\"got\":\"ab\\\"c\\/d<e>\"}"}`, `ab%2522c%252Fd%253Ce%253E`,
		},
		`it's a+b&c=d`: {`it&#39;s a+b&amp;c=d`, `it&#x27;s a+b&amp;c=d`, `it%27s+a%2Bb%26c%3Dd`, `it's%20a%2Bb%26c%3Dd`, `it\u0027s a\u002bb\u0026c\u003dd`},
		`back\slash`:   {`{"got":"back\\slash"}`, `back%5Cslash`, `back&#92;slash`, `{"got":"{\"got\":\"back\\\\slash\"}"}`},
		"pässwörd😀":    {`p\u00e4ssw\u00F6rd\ud83d\ude00`, `p%C3%A4ssw%c3%b6rd%F0%9F%98%80`, `p&#228;ssw&#xf6;rd&#128512;`},
		"c29tZTo/aXM+": {`c29tZTo\/aXM+`, `c29tZTo%2FaXM%2B`, `c29tZTo&#x2F;aXM&#x2B;`},
	} {
		var r step.Redactor
		r.Add(secret)
		for _, text := range append(texts, secret) {
			got := r.String("a " + text + " z")
			if !strings.Contains(got, step.Redacted) || strings.Contains(got, secret[len(secret)-3:]) || strings.Contains(got, secret[:2]) {
				t.Errorf("of %q is left %q", text, got)
			}
			var out strings.Builder
			w := r.Writer(&out)
			for chunk := range slices.Chunk([]byte(strings.Repeat("-", 64<<10)+text+strings.Repeat("+", 64<<10)), 4093) {
				if _, err := w.Write(chunk); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			if strings.Count(out.String(), step.Redacted) < 1 {
				t.Errorf("the writer lets %q through", text)
			}
		}
	}
}

// TestCutSecrets: where a text was shortened, no part of a secret is left.
func TestCutSecrets(t *testing.T) {
	t.Parallel()
	var r step.Redactor
	r.Add("a-very-secret-value")
	for in, want := range map[string]string{
		"not known: a-very-sec…":                "not known: [redacted]…",
		"a a-very-secret-value b a-very…":       "a [redacted] b [redacted]…",
		"[1, a-very … (90 bytes) … cret-value]": "[1, [redacted] … (90 bytes) … [redacted]]",
		"nothing of it…":                        "nothing of it…",
		"a-v…":                                  "a-v…",
		"a-very-secret-value":                   "[redacted]",
		"…":                                     "…",
		"":                                      "",
	} {
		if got := r.Cut(in, "…"); got != want {
			t.Errorf("of %q is left %q, want %q", in, got, want)
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
