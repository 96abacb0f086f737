package components

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/model-delivery/model-delivery/test/platform/cache"
	"github.com/model-delivery/model-delivery/test/platform/local"
)

// maxPublished bounds what is downloaded.
const maxPublished = 64 << 20

// published is a file of a release.
type published struct {
	url    string // names an exact version
	sha256 string // "" takes what the address serves over TLS
}

// fetchPublished returns the file's content, from the cache when it is there.
func fetchPublished(ctx context.Context, env *local.Env, file published) ([]byte, error) {
	dir, err := env.Cache.Dir(ctx, cache.Key("published-"+filepath.Base(file.url), file.url, file.sha256), func(dir string) error {
		env.Logf("download %s", file.url)
		data, err := download(ctx, file.url)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		if got := hex.EncodeToString(sum[:]); file.sha256 != "" && got != file.sha256 {
			return fmt.Errorf("download %s: its SHA-256 is %s, and not %s", file.url, got, file.sha256)
		}
		return cache.WriteFile(filepath.Join(dir, "content"), data, 0o644)
	})
	if err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, "content"))
}

func download(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("download %s: %w", url, err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("download %s: %w", url, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("download %s: the server answers %s", url, answer.Status)
	}
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxPublished+1))
	if err != nil {
		return nil, fmt.Errorf("download %s: %w", url, err)
	}
	if len(data) > maxPublished {
		return nil, fmt.Errorf("download %s: it has more than %d bytes", url, maxPublished)
	}
	return data, nil
}
