package kind

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"os"
)

// openArchive opens an image archive and unpacks gzip on the way.
func openArchive(path string) (io.ReadCloser, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	buffered := bufio.NewReaderSize(file, 1<<20)
	magic, _ := buffered.Peek(2)
	if len(magic) < 2 || magic[0] != 0x1f || magic[1] != 0x8b {
		return &archiveReader{buffered, []io.Closer{file}}, nil
	}
	unpacked, err := gzip.NewReader(buffered)
	if err != nil {
		file.Close()
		return nil, err
	}
	return &archiveReader{unpacked, []io.Closer{unpacked, file}}, nil
}

type archiveReader struct {
	io.Reader
	closers []io.Closer
}

func (r *archiveReader) Close() error {
	var errs []error
	for _, c := range r.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
