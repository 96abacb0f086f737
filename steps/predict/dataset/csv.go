package dataset

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// inferRows is how many rows are looked at to tell a column's type.
const inferRows = 100

type csvSource struct {
	in      *csv.Reader
	bound   *boundedReader
	header  []string
	columns []string // wanted
	at      []int    // where the wanted columns are
	types   []string // of the wanted columns
	head    [][]string
	lines   []int
	row     []any
	last    int
}

func openCSV(file io.Reader, o Options, columns []string) (*csvSource, error) {
	bound := &boundedReader{in: file, left: MaxRow}
	buffered := bufio.NewReaderSize(bound, 64<<10)
	if mark, _ := buffered.Peek(3); string(mark) == "\xef\xbb\xbf" {
		buffered.Discard(3)
	}
	s := &csvSource{in: csv.NewReader(buffered), bound: bound, columns: columns, row: make([]any, len(columns))}
	s.in.ReuseRecord = true
	switch {
	case o.Delimiter != 0:
		s.in.Comma = o.Delimiter
	case o.format() == TSV:
		s.in.Comma = '\t'
	}
	first, err := s.read()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("the file is empty; its first line has to name the columns")
	}
	if err != nil {
		return nil, err
	}
	s.header = slices.Clone(first)
	for _, name := range columns {
		i := slices.Index(s.header, name)
		if i < 0 {
			return nil, fmt.Errorf("there is no column %q; there are %s", name, strings.Join(s.header, ", "))
		}
		s.at = append(s.at, i)
	}
	if len(columns) == 0 {
		return s, nil
	}
	for range inferRows {
		record, err := s.read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		line, _ := s.in.FieldPos(0)
		s.head = append(s.head, slices.Clone(record))
		s.lines = append(s.lines, line)
	}
	for i, name := range columns {
		t := o.Types[name]
		if t == "" {
			t = s.infer(s.at[i])
		}
		s.types = append(s.types, t)
	}
	return s, nil
}

func (s *csvSource) read() ([]string, error) {
	s.bound.left = MaxRow
	record, err := s.in.Read()
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		return nil, fmt.Errorf("line %d: %w", parse.Line, parse.Err)
	}
	return record, err
}

// infer tells a column's type from the first rows.
func (s *csvSource) infer(at int) string {
	numbers, bools, seen := true, true, false
	for _, record := range s.head {
		cell := record[at]
		if cell == "" {
			continue
		}
		seen = true
		if _, ok := parseNumber(cell); !ok {
			numbers = false
		}
		if _, ok := parseBool(cell); !ok {
			bools = false
		}
	}
	switch {
	case !seen:
		return Text
	case numbers:
		return Number
	case bools:
		return Bool
	}
	return Text
}

// parseNumber reads a number as JSON writes it, so that 007 stays text, and
// the spellings of NaN and infinity that pandas and R write.
func parseNumber(cell string) (any, bool) {
	cell = strings.TrimSpace(cell)
	switch strings.ToLower(cell) {
	case "nan":
		cell = "NaN"
	case "inf", "infinity":
		cell = "Infinity"
	case "-inf", "-infinity":
		cell = "-Infinity"
	default:
		digits := strings.TrimPrefix(cell, "-")
		if digits == "" || digits[0] == '+' || (len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9') {
			return nil, false
		}
	}
	return value.ParseNumber(cell)
}

func parseBool(cell string) (bool, bool) {
	switch cell {
	case "true", "True", "TRUE":
		return true, true
	case "false", "False", "FALSE":
		return false, true
	}
	return false, false
}

func (s *csvSource) line() int { return s.last }

func (s *csvSource) next() ([]any, error) {
	var record []string
	if len(s.head) > 0 {
		record, s.head = s.head[0], s.head[1:]
		s.last, s.lines = s.lines[0], s.lines[1:]
	} else {
		var err error
		if record, err = s.read(); err != nil {
			return nil, err
		}
		s.last, _ = s.in.FieldPos(0)
	}
	for i, at := range s.at {
		cell := record[at]
		switch s.types[i] {
		case Number:
			if cell == "" {
				s.row[i] = nil
				continue
			}
			n, ok := parseNumber(cell)
			if !ok {
				return nil, fmt.Errorf("line %d: column %q has %q, which is no number; give the column's type if it is text", s.last, s.columns[i], cell)
			}
			s.row[i] = n
		case Bool:
			b, ok := parseBool(cell)
			if !ok {
				return nil, fmt.Errorf("line %d: column %q has %q, which is neither true nor false", s.last, s.columns[i], cell)
			}
			s.row[i] = b
		default:
			s.row[i] = strings.Clone(cell)
		}
	}
	return s.row, nil
}

// boundedReader fails once more than left bytes were read.
type boundedReader struct {
	in   io.Reader
	left int
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("a row is longer than %d bytes", MaxRow)
	}
	n, err := b.in.Read(p)
	b.left -= n
	return n, err
}
