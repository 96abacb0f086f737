package components

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestForgeConfiguration(t *testing.T) {
	t.Parallel()
	text := forgeSettings{address: "http://172.30.0.1:3000", static: "/usr/share/gitea", secretKey: "key", internalToken: "token", jwtSecret: "jwt"}.ini()
	for _, want := range []string{
		"\nDOMAIN = 172.30.0.1\nHTTP_PORT = 3000\nROOT_URL = http://172.30.0.1:3000/\n",
		"\nSTATIC_ROOT_PATH = /usr/share/gitea\n", "\n[webhook]\nALLOWED_HOST_LIST = private\n",
		"\nSECRET_KEY = key\nINTERNAL_TOKEN = token\n", "\n[oauth2]\nENABLED = false\nJWT_SECRET = jwt\n", "\nDISABLE_REGISTRATION = true\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the configuration lacks %q:\n%s", want, text)
		}
	}
	if published := (forgeSettings{address: "http://h:1"}).ini(); strings.Contains(published, "STATIC_ROOT_PATH") {
		t.Error("the published forge, which has its templates in its binary, gets a directory of them")
	}
}

func TestSecretFileIsMadeOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "forge", "secret")
	first, err := secretFile(path, 32)
	if err != nil || len(first) != 43 {
		t.Fatalf("secretFile = %d characters, %v; want 43", len(first), err)
	}
	if again, err := secretFile(path, 32); err != nil || again != first {
		t.Errorf("the second secretFile = %q, %v; want the first secret", again, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the secret's file has mode %v, %v; want 0600", info.Mode(), err)
	}
}
