package kind

import (
	"bytes"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/model-delivery/model-delivery/steps/step"
)

func TestReadAuthorities(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(nil)
	t.Cleanup(server.Close)
	one := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  []byte
		code  int
	}{
		{"none", nil, nil, 0},
		{"files of other names", map[string]string{"README.md": "x", "..data.crt": "x"}, nil, 0},
		{"two files, one with two", map[string]string{"a.crt": string(one), "b.pem": "text\n" + string(one) + string(one)}, bytes.Repeat(one, 3), 0},
		{"no certificate", map[string]string{"a.crt": "text"}, nil, step.ExitInvalid},
		{"a key", map[string]string{"a.pem": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}, nil, step.ExitInvalid},
		{"a broken one", map[string]string{"a.pem": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}, nil, step.ExitInvalid},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, text := range tc.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := readAuthorities(dir)
			if !bytes.Equal(got, tc.want) || (err != nil) != (tc.code != 0) || (err != nil && step.ExitCode(err) != tc.code) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	if got, err := readAuthorities(filepath.Join(t.TempDir(), "none")); got != nil || err != nil {
		t.Errorf("a directory that is not there: %q, %v", got, err)
	}
}
