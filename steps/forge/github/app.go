package github

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"time"

	sdk "github.com/google/go-github/v84/github"

	"github.com/model-delivery/model-delivery/steps/forge"
	"github.com/model-delivery/model-delivery/steps/step"
)

// App is a GitHub App. It gets tokens that are good for one repository and an
// hour.
type App struct {
	ID           string // number or client ID of the App
	Installation int64  // 0: that of the repository
	Key          []byte // private key in PEM
}

// AppUser is the user that git takes an App's token for.
const AppUser = "x-access-token"

// Token gets a token for the repository that may write to it, to its pull
// requests and to its statuses. api ends with a slash.
func (a App) Token(ctx context.Context, repository forge.Repository, api string, httpClient *http.Client, now time.Time) (string, error) {
	assertion, err := a.assertion(now)
	if err != nil {
		return "", err
	}
	client, err := connect(api, assertion, httpClient)
	if err != nil {
		return "", err
	}
	id := a.Installation
	if id == 0 {
		installation, response, err := client.Apps.FindRepositoryInstallation(ctx, repository.Owner, repository.Name)
		if err != nil {
			return "", appError("looking for the GitHub App's installation on "+repository.FullName(), response, err)
		}
		id = installation.GetID()
	}
	write, read := "write", "read"
	token, response, err := client.Apps.CreateInstallationToken(ctx, id, &sdk.InstallationTokenOptions{
		Repositories: []string{repository.Name},
		Permissions:  &sdk.InstallationPermissions{Contents: &write, PullRequests: &write, Statuses: &write, Metadata: &read},
	})
	if err != nil {
		return "", appError("getting a token for the GitHub App", response, err)
	}
	return token.GetToken(), nil
}

func appError(doing string, response *sdk.Response, err error) error {
	status := 0
	if response != nil && response.Response != nil {
		status = response.StatusCode
	}
	return step.WithHint(forge.Explain(doing, status, err), "the App must be installed on the repository and may write contents, pull requests and commit statuses; check its ID and its key")
}

// assertion is a JSON Web Token by which the App proves who it is for a few
// minutes. Its start lies back a little, for clocks that differ.
func (a App) assertion(now time.Time) (string, error) {
	key, err := a.key()
	if err != nil {
		return "", step.Invalidf("reading the GitHub App's key: %w", err)
	}
	claims, err := json.Marshal(map[string]any{"iss": a.ID, "iat": now.Add(-time.Minute).Unix(), "exp": now.Add(8 * time.Minute).Unix()})
	if err != nil {
		return "", step.Invalidf("reading the GitHub App's ID: %w", err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(claims)
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	if err != nil {
		return "", step.Invalidf("signing with the GitHub App's key: %w", err)
	}
	return text + "." + encode(signature), nil
}

func (a App) key() (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(a.Key)
	if block == nil {
		return nil, errors.New("it is not in PEM")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("it is no private key")
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("it is a %T, not an RSA key", parsed)
	}
	return key, nil
}
