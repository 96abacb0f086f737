package components

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"github.com/model-delivery/model-delivery/test/platform/cache"
	"github.com/model-delivery/model-delivery/test/platform/local"
)

// Where the forge finds things in its container.
const (
	forgeData       = "/var/lib/gitea"
	forgeConfigDir  = "/etc/gitea"
	forgeConfigFile = forgeConfigDir + "/app.ini"
)

// forgeSettings are what the forge's configuration is made of.
type forgeSettings struct {
	address       string // http://HOST:PORT
	static        string // directory of templates; "" when they are in the binary
	secretKey     string
	internalToken string
	jwtSecret     string // 32 bytes, base64
}

// ini returns Gitea's app.ini. The forge only talks to this machine: no mail, no
// pictures from elsewhere, webhooks to private addresses.
func (s forgeSettings) ini() string {
	host, port := s.address, ""
	host = strings.TrimPrefix(host, "http://")
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		host, port = host[:i], host[i+1:]
	}
	var b strings.Builder
	section := func(name string, lines ...string) {
		if name != "" {
			fmt.Fprintf(&b, "\n[%s]\n", name)
		}
		for _, line := range lines {
			if line != "" {
				fmt.Fprintln(&b, line)
			}
		}
	}
	static := ""
	if s.static != "" {
		static = "STATIC_ROOT_PATH = " + s.static
	}
	section("", "APP_NAME = model-delivery", "RUN_MODE = prod", "WORK_PATH = "+forgeData)
	section("server", "PROTOCOL = http", "DOMAIN = "+host, "HTTP_PORT = "+port, "ROOT_URL = "+s.address+"/",
		"DISABLE_SSH = true", "OFFLINE_MODE = true", "APP_DATA_PATH = "+forgeData+"/data", static)
	section("database", "DB_TYPE = sqlite3", "PATH = "+forgeData+"/gitea.db", "SQLITE_JOURNAL_MODE = WAL")
	section("security", "INSTALL_LOCK = true", "SECRET_KEY = "+s.secretKey, "INTERNAL_TOKEN = "+s.internalToken, "DISABLE_GIT_HOOKS = true")
	section("service", "DISABLE_REGISTRATION = true", "NO_REPLY_ADDRESS = noreply.localhost")
	section("repository", "ROOT = "+forgeData+"/repositories", "DEFAULT_BRANCH = main")
	section("webhook", "ALLOWED_HOST_LIST = private", "DELIVER_TIMEOUT = 10")
	section("indexer", "ISSUE_INDEXER_TYPE = db", "REPO_INDEXER_ENABLED = false")
	section("session", "PROVIDER = memory")
	section("log", "MODE = console", "LEVEL = warn", "ROOT_PATH = "+forgeData+"/log")
	section("picture", "DISABLE_GRAVATAR = true")
	for _, off := range []string{"actions", "packages", "mailer", "federation"} {
		section(off, "ENABLED = false")
	}
	section("oauth2", "ENABLED = false", "JWT_SECRET = "+s.jwtSecret)
	section("cron.update_checker", "ENABLED = false")
	section("openid", "ENABLE_OPENID_SIGNIN = false")
	return b.String()
}

// writeForgeConfig writes the configuration, for the forge's user to read, and
// returns a word that changes with it.
func writeForgeConfig(env *local.Env, address string) (string, error) {
	settings := forgeSettings{address: address}
	if env.Source() != local.Release {
		settings.static = giteaStatic
	}
	var err error
	if settings.secretKey, err = secretFile(env.StateFile("forge", "secret-key"), 48); err != nil {
		return "", err
	}
	if settings.internalToken, err = secretFile(env.StateFile("forge", "internal-token"), 48); err != nil {
		return "", err
	}
	if settings.jwtSecret, err = secretFile(env.StateFile("forge", "jwt-secret"), 32); err != nil {
		return "", err
	}
	text := settings.ini()
	path := env.StateFile("forge", "conf", "app.ini")
	// Rewritten only when it changes: the running forge has the directory open.
	if old, err := os.ReadFile(path); err != nil || string(old) != text {
		if err := cache.WriteFile(path, []byte(text), 0o400); err != nil {
			return "", fmt.Errorf("write the forge's configuration: %w", err)
		}
		uid, gid := forgeUser()
		if err := os.Chown(path, uid, gid); err != nil {
			return "", fmt.Errorf("write the forge's configuration: %w", err)
		}
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:6]), nil
}
