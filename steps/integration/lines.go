package integration

import (
	"bytes"
	"fmt"
	"io"
	"sync"
)

// maxHeld is how much of a line without end is held, in bytes, before it is
// handed on as if it had ended.
const maxHeld = 64 << 10

// prefixWriter marks each line with a prefix. Several may write to one w; they
// share the mutex.
type prefixWriter struct {
	mu     *sync.Mutex
	w      io.Writer
	prefix string
	held   []byte // the beginning of a line
}

func (p *prefixWriter) Write(data []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	written := len(data)
	for len(data) > 0 {
		end := bytes.IndexByte(data, '\n')
		part := data[:end+1]
		if end < 0 {
			part = data
		}
		part = part[:min(len(part), maxHeld-len(p.held))]
		data = data[len(part):]
		p.held = append(p.held, part...)
		if bytes.HasSuffix(part, []byte("\n")) || len(p.held) == maxHeld {
			if err := p.handOn(); err != nil {
				return 0, err
			}
		}
	}
	return written, nil
}

// Flush ends an unfinished last line.
func (p *prefixWriter) Flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.held) > 0 {
		_ = p.handOn() // there is nobody left to tell
	}
}

// handOn writes what is held as a line.
func (p *prefixWriter) handOn() error {
	_, err := fmt.Fprintf(p.w, "%s%s\n", p.prefix, bytes.TrimSuffix(p.held, []byte("\n")))
	p.held = p.held[:0]
	return err
}
