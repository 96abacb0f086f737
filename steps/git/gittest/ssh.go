package gittest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"encoding/pem"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// ServeSSH serves a repository over SSH. It returns the repository's URL and a
// directory with the one key that gets in and with the server's host key, named
// as in a secret.
func ServeSSH(t testing.TB, bare string) (url, dir string) {
	t.Helper()
	dir = t.TempDir()
	client, host := newKey(t), newKey(t)
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if string(key.Marshal()) != string(client.signer.PublicKey().Marshal()) {
			return nil, os.ErrPermission
		}
		return &ssh.Permissions{}, nil
	}}
	config.AddHostKey(host.signer)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serveConnection(conn, config, bare)
		}
	}()
	address, port, _ := strings.Cut(listener.Addr().String(), ":")
	Write(t, filepath.Join(dir, "known_hosts"), "["+address+"]:"+port+" "+string(ssh.MarshalAuthorizedKey(host.signer.PublicKey())))
	// As secrets are mounted: for others to read.
	Write(t, filepath.Join(dir, "ssh-privatekey"), client.private)
	return "ssh://git@" + listener.Addr().String() + bare, dir
}

type key struct {
	signer  ssh.Signer
	private string
}

func newKey(t testing.TB) key {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	return key{signer, string(pem.EncodeToMemory(block))}
}

func serveConnection(conn net.Conn, config *ssh.ServerConfig, bare string) {
	defer conn.Close()
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for channel := range channels {
		stream, requests, err := channel.Accept()
		if err != nil {
			return
		}
		go serveSession(stream, requests, bare)
	}
}

// serveSession runs what is asked for, if it is one of git's two servers.
func serveSession(stream ssh.Channel, requests <-chan *ssh.Request, bare string) {
	defer stream.Close()
	protocol := ""
	for request := range requests {
		switch request.Type {
		case "env":
			var set struct{ Name, Value string }
			if ssh.Unmarshal(request.Payload, &set) == nil && set.Name == "GIT_PROTOCOL" {
				protocol = set.Value
			}
			_ = request.Reply(true, nil)
		case "exec":
			var run struct{ Command string }
			err := ssh.Unmarshal(request.Payload, &run)
			program, path, _ := strings.Cut(run.Command, " ")
			if err != nil || program != "git-upload-pack" && program != "git-receive-pack" || strings.Trim(path, "'") != bare {
				_ = request.Reply(false, nil)
				return
			}
			_ = request.Reply(true, nil)
			cmd := exec.Command("git", strings.TrimPrefix(program, "git-"), bare)
			cmd.Env = append(Environment(), "GIT_PROTOCOL="+protocol)
			cmd.Stdout, cmd.Stderr = stream, stream.Stderr()
			stdin, err := cmd.StdinPipe()
			if err != nil || cmd.Start() != nil {
				return
			}
			go func() { _, _ = io.Copy(stdin, stream); _ = stdin.Close() }()
			_ = cmd.Wait()
			status := binary.BigEndian.AppendUint32(nil, uint32(cmd.ProcessState.ExitCode()))
			_, _ = stream.SendRequest("exit-status", false, status)
			return
		default:
			_ = request.Reply(false, nil)
		}
	}
}
