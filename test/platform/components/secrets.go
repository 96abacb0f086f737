package components

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/model-delivery/model-delivery/test/platform/cache"
)

// secretFile returns what the file at path holds, after filling it with size
// random bytes in URL-safe base64 when it is missing. Only its owner can read it.
func secretFile(path string, size int) (string, error) {
	secret, err := readSecret(path)
	if err != nil || secret != "" {
		return secret, err
	}
	random := make([]byte, size)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("make a secret: %w", err)
	}
	secret = base64.RawURLEncoding.EncodeToString(random)
	return secret, writeSecret(path, secret)
}

// readSecret returns what the file holds, "" when there is none.
func readSecret(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("read a secret: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

// writeSecret keeps the secret in a file that only its owner can read.
func writeSecret(path, secret string) error {
	if err := cache.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		return fmt.Errorf("write a secret: %w", err)
	}
	return nil
}
