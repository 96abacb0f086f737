package checks_test

import (
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/predict/checks"
)

func TestSecretHeader(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"Authorization": true, "proxy-authorization": true, "X-Auth-Token": true, "Cookie": true, "X-Api-Key": true, "X-ApiKey": true, "X-Apikey": true, "apikey": true,
		"Ocp-Apim-Subscription-Key": true, "X-Amz-Security-Token": true, "X-Client-Secret": true, "X_Access_Token": true, "X-Accesstoken": true, "X-Session-Id": true,
		"X-Db-Password": true, "X-Credentials": true, "Private.Token": true, "X-Forwarded-Access-Token": true, "JWT": true,
		"Content-Type": false, "X-Tenant": false, "X-Tokenizer": false, "X-Author": false, "X-Keyword": false, "X-Request-Id": false, "User-Agent": false, "Accept": false, "": false,
	} {
		if got := checks.SecretHeader(name); got != want {
			t.Errorf("SecretHeader(%q) = %v", name, got)
		}
	}
}

// TestSecretsDoNotBelongIntoTheFile, whatever the header's name.
func TestSecretsDoNotBelongIntoTheFile(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"defaults: {headers: {X-Api-Key: x}}\nchecks:\n- {name: one, request: {data: {ndarray: [1]}}}\n",
		"checks:\n- {name: one, request: {data: {ndarray: [1]}, headers: {x-client-secret: x}}}\n",
	} {
		_, problems := checks.Parse("p.yaml", t.TempDir(), []byte(head+text))
		if len(problems) != 1 || !strings.Contains(problems.Error(), "is a secret by its name; give it to the command in a file, with --header-file") {
			t.Errorf("problems are %v", problems)
		}
	}
}
