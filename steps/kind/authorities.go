package kind

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/model-delivery/model-delivery/steps/step"
)

// maxAuthorities bounds a file of certificates, in bytes.
const maxAuthorities = 1 << 20

// readAuthorities returns all certificates in the files of a directory as one
// PEM file; nothing when the directory is not there.
func readAuthorities(dir string) ([]byte, error) {
	if dir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, step.Invalidf("read certificates: %w", err)
	}
	var all bytes.Buffer
	for _, entry := range entries {
		ext := filepath.Ext(entry.Name())
		if (ext != ".crt" && ext != ".pem") || strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		info, err := os.Stat(path) // a volume's files are links
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxAuthorities {
			return nil, step.Invalidf("certificates %s: not a file of at most %d bytes", path, maxAuthorities)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, step.Invalidf("read certificates: %w", err)
		}
		before := all.Len()
		for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
			if block.Type != "CERTIFICATE" {
				return nil, step.Invalidf("certificates %s: it holds a %s", path, block.Type)
			}
			if _, err := x509.ParseCertificate(block.Bytes); err != nil {
				return nil, step.Invalidf("certificates %s: %w", path, err)
			}
			if err := pem.Encode(&all, block); err != nil {
				return nil, step.Invalidf("certificates %s: %w", path, err)
			}
		}
		if all.Len() == before {
			return nil, step.Invalidf("certificates %s: it holds none in PEM", path)
		}
	}
	return all.Bytes(), nil
}

// trustedFile is where certificates make what runs in a node, containerd above
// all, trust authorities beside those of its image. Go's programs read every file
// of that directory, the first time that they verify something.
const (
	trustedDir  = "/etc/ssl/certs"
	trustedFile = "extra-authorities.pem"
)
