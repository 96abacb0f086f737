// Package dataset streams rows of CSV, TSV and JSON-lines files, one at a time
// and in bounded memory.
package dataset

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// Formats.
const (
	CSV       = "csv"
	TSV       = "tsv"
	JSONLines = "jsonl"
)

// Types of columns of CSV and TSV files.
const (
	Text   = "text"
	Number = "number"
	Bool   = "bool"
)

// MaxRow bounds one row, in bytes.
const MaxRow = 16 << 20

// inferRows is how many rows are looked at to tell a column's type.
const inferRows = 100

// Options says how a file is read.
type Options struct {
	Path   string
	Format string // "": by the file's ending
	// Delimiter of CSV; 0: a comma.
	Delimiter rune
	// Types of columns; the type of others is inferred from the first rows.
	Types map[string]string
	// Limit is how many rows are read at most; 0: all.
	Limit int
}

func (o Options) format() string {
	if o.Format != "" {
		return o.Format
	}
	switch strings.ToLower(filepath.Ext(o.Path)) {
	case ".tsv", ".tab":
		return TSV
	case ".jsonl", ".ndjson":
		return JSONLines
	}
	return CSV
}

// Reader reads the wanted columns of a file, row by row.
type Reader struct {
	file   *os.File
	source source
	limit  int
	rows   int
}

// source gives rows; row is overwritten by the next.
type source interface {
	next() (row []any, err error)
	line() int
}

// Open opens a file and looks for the columns. A column that is not there is
// an error that lists those that are.
func Open(o Options, columns []string) (*Reader, error) {
	file, err := os.Open(o.Path)
	if err != nil {
		return nil, err
	}
	r := &Reader{file: file, limit: o.Limit}
	if o.format() == JSONLines {
		r.source = &jsonSource{in: bufio.NewReaderSize(file, 64<<10), columns: columns}
	} else if r.source, err = openCSV(file, o, columns); err != nil {
		file.Close()
		return nil, err
	}
	return r, nil
}

// Next returns the next row's wanted columns, in the order asked for; [io.EOF]
// after the last. The slice is overwritten by the next call.
func (r *Reader) Next() ([]any, error) {
	if r.limit > 0 && r.rows >= r.limit {
		return nil, io.EOF
	}
	row, err := r.source.next()
	if err == nil {
		r.rows++
	}
	return row, err
}

// Line is the line of the file that the last row began at.
func (r *Reader) Line() int { return r.source.line() }

// Close closes the file.
func (r *Reader) Close() error { return r.file.Close() }

// Columns returns the names of a file's columns: of CSV the first line, of
// JSON lines the first object's keys.
func Columns(o Options) ([]string, error) {
	file, err := os.Open(o.Path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if o.format() == JSONLines {
		s := &jsonSource{in: bufio.NewReaderSize(file, 64<<10)}
		object, err := s.object()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("the file is empty")
		}
		if err != nil {
			return nil, err
		}
		names := make([]string, 0, len(object))
		for name := range object {
			names = append(names, name)
		}
		slices.Sort(names)
		return names, nil
	}
	s, err := openCSV(file, o, nil)
	if err != nil {
		return nil, err
	}
	return s.header, nil
}

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
