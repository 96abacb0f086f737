package components

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"code.gitea.io/sdk/gitea"

	"github.com/model-delivery/model-delivery/test/platform/execute"
	"github.com/model-delivery/model-delivery/test/platform/local"
)

// Who and what is in the forge.
const (
	forgeAdmin = "platform" // Gitea keeps the name admin for itself
	forgeCI    = "model-delivery-ci"
	forgeLead  = "lead"
	forgeOrg   = "ml"

	modelsRepository = forgeOrg + "/models"
	gitopsRepository = forgeOrg + "/gitops"

	// webhookURL is the EventListener as the forge reaches it: a node port of
	// the cluster's node, by the node's name on the docker network.
	webhookURL = "http://model-delivery-control-plane:30080"
)

// forgeRepositories are the repositories and the files that they start with.
// README files keep the folders of gitops; a GitOps controller looks at YAML.
var forgeRepositories = []struct {
	name  string
	files [][2]string
}{
	{modelsRepository, [][2]string{
		{"README.md", "# Models\n\nOne directory below `models/` for each model. A push is tested and delivered.\n"},
	}},
	{gitopsRepository, [][2]string{
		{"README.md", "# What runs where\n\n`staging/` and `production/` are what the GitOps controller keeps running there.\n"},
		{"staging/README.md", "# Staging\n\nEach delivery commits here.\n"},
		{"production/README.md", "# Production\n\nA delivery comes here by a pull request that a person merges.\n"},
	}},
}

// forgeSetup fills the forge.
type forgeSetup struct {
	env     *local.Env
	address string
}

// run makes what is missing and publishes where it is.
func (s forgeSetup) run(ctx context.Context) error {
	admin, err := s.token(ctx, forgeAdmin, "all", func() error { return s.createAdmin(ctx) })
	if err != nil {
		return err
	}
	client, err := gitea.NewClient(s.address, gitea.SetToken(admin), gitea.SetContext(ctx), gitea.SetHTTPClient(s.http()))
	if err != nil {
		return fmt.Errorf("talk to the forge: %w", err)
	}
	for _, user := range []struct{ name, full, scopes string }{
		{forgeCI, "Model delivery", "write:repository,write:issue,read:user,read:organization"},
		{forgeLead, "Lead", "write:repository,write:issue,read:user,read:organization"},
	} {
		_, err := s.token(ctx, user.name, user.scopes, func() error { return s.createUser(client, user.name, user.full) })
		if err != nil {
			return err
		}
	}
	if err := s.repositories(client); err != nil {
		return err
	}
	return s.publish()
}

// file is where the state keeps a secret of the forge.
func (s forgeSetup) file(name string) string { return s.env.StateFile("forge", name) }

func (s forgeSetup) http() *http.Client {
	return &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
}

// token returns a token of the user, in a file of the state. One that the forge
// does not know is replaced; create makes the user when it is missing.
func (s forgeSetup) token(ctx context.Context, user, scopes string, create func() error) (string, error) {
	file := s.file(user + "-token")
	token, err := readSecret(file)
	if err != nil {
		return "", err
	}
	if token != "" && s.knows(ctx, user, token) {
		return token, nil
	}
	if err := create(); err != nil {
		return "", err
	}
	out, err := s.gitea(ctx, "admin", "user", "generate-access-token", "--username", user, "--raw",
		"--token-name", "platform-"+strconv.FormatInt(time.Now().UnixNano(), 36), "--scopes", scopes)
	if err != nil {
		return "", fmt.Errorf("make a token for %s: %w", user, err)
	}
	lines := strings.Fields(out)
	if len(lines) == 0 {
		return "", fmt.Errorf("make a token for %s: the forge answered nothing", user)
	}
	token = lines[len(lines)-1]
	return token, writeSecret(file, token)
}

// knows says whether the token is the user's.
func (s forgeSetup) knows(ctx context.Context, user, token string) bool {
	client, err := gitea.NewClient(s.address, gitea.SetToken(token), gitea.SetContext(ctx), gitea.SetHTTPClient(s.http()))
	if err != nil {
		return false
	}
	me, _, err := client.GetMyUserInfo()
	return err == nil && me.UserName == user
}

// gitea runs the forge's own command in its container. What it answers may be a
// secret and is not logged.
func (s forgeSetup) gitea(ctx context.Context, args ...string) (string, error) {
	out, err := s.env.Output(ctx, execute.Cmd{
		Name: "docker", Args: append([]string{"exec", forgeContainer, "gitea", "--config", forgeConfigFile}, args...),
	})
	return string(out), err
}

// createAdmin makes the first user unless there is one. It has a password that
// nobody knows, and a token.
func (s forgeSetup) createAdmin(ctx context.Context) error {
	out, err := s.gitea(ctx, "admin", "user", "list", "--admin")
	if err != nil {
		return fmt.Errorf("list the forge's users: %w", err)
	}
	if slices.Contains(strings.Fields(out), forgeAdmin) {
		return nil
	}
	_, err = s.gitea(ctx, "admin", "user", "create", "--admin", "--username", forgeAdmin,
		"--email", forgeAdmin+"@localhost.localdomain", "--random-password", "--must-change-password=false")
	if err != nil {
		return fmt.Errorf("make the forge's first user: %w", err)
	}
	return nil
}

// createUser makes the user unless there is one, with a password that the state
// keeps for people who sign in.
func (s forgeSetup) createUser(client *gitea.Client, name, full string) error {
	_, answer, err := client.GetUserInfo(name)
	if err == nil {
		return nil
	}
	if !missing(answer) {
		return fmt.Errorf("look for the user %s: %w", name, err)
	}
	password, err := secretFile(s.file(name+"-password"), 18)
	if err != nil {
		return err
	}
	keep := false
	_, _, err = client.AdminCreateUser(gitea.CreateUserOption{
		Username: name, FullName: full, Email: name + "@localhost.localdomain", Password: password, MustChangePassword: &keep,
	})
	if err != nil {
		return fmt.Errorf("make the user %s: %w", name, err)
	}
	return nil
}

// repositories makes the organization, its repositories and their webhooks.
func (s forgeSetup) repositories(client *gitea.Client) error {
	if _, answer, err := client.GetOrg(forgeOrg); missing(answer) {
		_, _, err := client.CreateOrg(gitea.CreateOrgOption{Name: forgeOrg, FullName: "Machine learning", Visibility: gitea.VisibleTypePublic})
		if err != nil {
			return fmt.Errorf("make the organization %s: %w", forgeOrg, err)
		}
	} else if err != nil {
		return fmt.Errorf("look for the organization %s: %w", forgeOrg, err)
	}
	secret, err := secretFile(s.file("webhook-secret"), 32)
	if err != nil {
		return err
	}
	for _, repository := range forgeRepositories {
		if err := s.repository(client, path.Base(repository.name), repository.files, secret); err != nil {
			return fmt.Errorf("make the repository %s: %w", repository.name, err)
		}
	}
	return nil
}

func (s forgeSetup) repository(client *gitea.Client, name string, files [][2]string, secret string) error {
	if _, answer, err := client.GetRepo(forgeOrg, name); missing(answer) {
		_, _, err := client.CreateOrgRepo(forgeOrg, gitea.CreateRepoOption{Name: name, DefaultBranch: "main"})
		if err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	write, admin := gitea.AccessModeWrite, gitea.AccessModeAdmin
	for user, mode := range map[string]*gitea.AccessMode{forgeCI: &write, forgeLead: &admin} {
		if _, err := client.AddCollaborator(forgeOrg, name, user, gitea.AddCollaboratorOption{Permission: mode}); err != nil {
			return fmt.Errorf("let %s in: %w", user, err)
		}
	}
	for _, file := range files {
		_, answer, err := client.GetContents(forgeOrg, name, "main", file[0])
		if err == nil {
			continue
		}
		if !missing(answer) {
			return fmt.Errorf("look for %s: %w", file[0], err)
		}
		_, _, err = client.CreateFile(forgeOrg, name, file[0], gitea.CreateFileOptions{
			FileOptions: gitea.FileOptions{Message: "Add " + file[0], BranchName: "main"},
			Content:     base64.StdEncoding.EncodeToString([]byte(file[1])),
		})
		if err != nil {
			return fmt.Errorf("add %s: %w", file[0], err)
		}
	}
	return ensureHook(client, name, secret)
}

// ensureHook makes the repository call the EventListener. The forge does not
// show a webhook's secret, so that an existing one is always written anew.
func ensureHook(client *gitea.Client, repository, secret string) error {
	config := map[string]string{"url": webhookURL, "content_type": "json", "http_method": "post", "secret": secret}
	events, active := []string{"push", "pull_request_only", "pull_request_sync"}, true
	hooks, _, err := client.ListRepoHooks(forgeOrg, repository, gitea.ListHooksOptions{})
	if err != nil {
		return fmt.Errorf("list its webhooks: %w", err)
	}
	for _, hook := range hooks {
		if hook.Config["url"] == webhookURL {
			_, err := client.EditRepoHook(forgeOrg, repository, hook.ID, gitea.EditHookOption{Config: config, Events: events, Active: &active})
			return err
		}
	}
	_, _, err = client.CreateRepoHook(forgeOrg, repository, gitea.CreateHookOption{
		Type: gitea.HookTypeGitea, Config: config, Events: events, Active: active,
	})
	if err != nil {
		return fmt.Errorf("make its webhook: %w", err)
	}
	return nil
}

func missing(answer *gitea.Response) bool {
	return answer != nil && answer.Response != nil && answer.StatusCode == http.StatusNotFound
}

// publish tells tests and the demo where things are.
func (s forgeSetup) publish() error {
	var failed error
	for _, value := range [][2]string{
		{"models-repository", modelsRepository}, {"gitops-repository", gitopsRepository},
		{"ci-user", forgeCI}, {"ci-token-file", s.file(forgeCI + "-token")},
		{"lead-user", forgeLead}, {"lead-token-file", s.file(forgeLead + "-token")},
		{"lead-password-file", s.file(forgeLead + "-password")},
		{"webhook-secret-file", s.file("webhook-secret")}, {"webhook-url", webhookURL},
		{"url", s.address},
	} {
		failed = errors.Join(failed, s.env.Publish("forge", value[0], value[1]))
	}
	return failed
}
