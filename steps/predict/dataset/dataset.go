// Package dataset streams rows of CSV, TSV and JSON-lines files, one at a time
// and in bounded memory.
package dataset

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
