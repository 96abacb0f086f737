package registry_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	dockerregistry "github.com/moby/moby/api/types/registry"

	"github.com/model-delivery/model-delivery/steps/registry"
	"github.com/model-delivery/model-delivery/steps/step"
)

// TestCredentials sets DOCKER_CONFIG, so it does not run in parallel.
func TestCredentials(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	config := `{"auths": {"registry.example.com": {"auth": "` + base64.StdEncoding.EncodeToString([]byte("bot:hunter2")) + `"},
		"https://index.docker.io/v1/": {"auth": "` + base64.StdEncoding.EncodeToString([]byte("hub:hunter3")) + `"}}}`
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]*dockerregistry.AuthConfig{
		"registry.example.com/news:1": {Username: "bot", Password: "hunter2", ServerAddress: "registry.example.com"},
		"library/debian":              {Username: "hub", Password: "hunter3", ServerAddress: "https://index.docker.io/v1/"},
		"elsewhere.example.com/news":  nil,
		"":                            nil,
	} {
		var secrets []string
		got, err := registry.Credentials(ref, func(secret string) { secrets = append(secrets, secret) })
		if err != nil || (got == nil) != (want == nil) {
			t.Errorf("%q: got %+v, %v; want %+v", ref, got, err, want)
			continue
		}
		if want != nil && (got.Username != want.Username || got.Password != want.Password || got.ServerAddress != want.ServerAddress || !slices.Contains(secrets, want.Password)) {
			t.Errorf("%q: got %+v, told %d secrets; want %+v", ref, got, len(secrets), want)
		}
		encoded, err := registry.Encoded(ref, nil)
		if err != nil {
			t.Fatal(err)
		}
		data, err := base64.URLEncoding.DecodeString(encoded)
		var decoded dockerregistry.AuthConfig
		if err != nil || json.Unmarshal(data, &decoded) != nil || (want != nil && decoded.Password != want.Password) || (want == nil && string(data) != "{}") {
			t.Errorf("%q is encoded as %s", ref, data)
		}
	}
	if _, err := registry.Credentials("Not A Reference", nil); step.ExitCode(err) != step.ExitInvalid {
		t.Errorf("error %v, want one of invalid input", err)
	}
}
