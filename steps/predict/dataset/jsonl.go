package dataset

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

type jsonSource struct {
	in      *bufio.Reader
	columns []string
	row     []any
	last    int
}

func (s *jsonSource) line() int { return s.last }

// object reads the next line that is not blank.
func (s *jsonSource) object() (map[string]any, error) {
	for {
		line, err := s.readLine()
		if err != nil {
			return nil, err
		}
		s.last++
		if len(strings.TrimSpace(string(line))) == 0 {
			continue
		}
		v, err := value.Decode(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", s.last, err)
		}
		object, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("line %d is %s, not an object", s.last, value.Kind(v))
		}
		return object, nil
	}
}

func (s *jsonSource) readLine() ([]byte, error) {
	var whole []byte
	for {
		part, err := s.in.ReadSlice('\n')
		whole = append(whole, part...)
		switch {
		case len(whole) > MaxRow:
			return nil, fmt.Errorf("line %d is longer than %d bytes", s.last+1, MaxRow)
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(whole) > 0, err == nil:
			return whole, nil
		default:
			return nil, err
		}
	}
}

func (s *jsonSource) next() ([]any, error) {
	object, err := s.object()
	if err != nil {
		return nil, err
	}
	if s.row == nil {
		s.row = make([]any, len(s.columns))
	}
	for i, name := range s.columns {
		v, ok := object[name]
		if !ok {
			return nil, fmt.Errorf("line %d has no %q", s.last, name)
		}
		s.row[i] = v
	}
	return s.row, nil
}
