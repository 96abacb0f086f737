package integration

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestPrefixWriter(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxHeld)
	for _, tc := range []struct {
		name   string
		writes []string
		want   string
	}{
		{"lines", []string{"a\nb\n"}, "> a\n> b\n"},
		{"a line in parts", []string{"a", "b\n", "c"}, "> ab\n> c\n"},
		{"an empty line", []string{"\n", "a\n\n"}, "> \n> a\n> \n"},
		{"a line without end", []string{long, "yz\n"}, "> " + long + "\n> yz\n"},
		{"one that is much too long", []string{"a" + long + long + "\nb\n"}, "> a" + long[1:] + "\n> " + long + "\n> x\n> b\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			p := &prefixWriter{mu: new(sync.Mutex), w: &out, prefix: "> "}
			for _, text := range tc.writes {
				if n, err := p.Write([]byte(text)); n != len(text) || err != nil {
					t.Errorf("wrote %d of %d: %v", n, len(text), err)
				}
			}
			p.Flush()
			if out.String() != tc.want {
				t.Errorf("got %.200q, want %.200q", out.String(), tc.want)
			}
		})
	}
}

// A progress bar of many small pieces is not looked through again for each.
func TestPrefixWriterTakesALineInPieces(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := &prefixWriter{mu: new(sync.Mutex), w: &out, prefix: "> "}
	start := time.Now()
	for range 8 << 20 / 16 {
		p.Write([]byte("0123456789abcde\r"))
	}
	if took := time.Since(start); took > 20*time.Second || out.Len() < 8<<20-maxHeld {
		t.Errorf("%d bytes were handed on in %s", out.Len(), took)
	}
}
