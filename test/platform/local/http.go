package local

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// WaitHTTP waits until the address, which is on this machine, answers a request
// with the status.
func WaitHTTP(ctx context.Context, url string, status int, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	// No proxy is asked, whatever the environment says.
	plain := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	for {
		err := askHTTP(ctx, plain, url, status)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait %s for %s: %w", limit, url, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func askHTTP(ctx context.Context, client *http.Client, url string, status int) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	answer.Body.Close()
	if answer.StatusCode != status {
		return fmt.Errorf("it answers %s", answer.Status)
	}
	return nil
}
