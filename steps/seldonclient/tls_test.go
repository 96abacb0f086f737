package seldonclient_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/seldonclient"
	"github.com/model-delivery/model-delivery/steps/seldonclient/modeltest"
)

func TestTLS(t *testing.T) {
	t.Parallel()
	authority, stranger := modeltest.NewAuthority(t), modeltest.NewAuthority(t)
	later := time.Now().Add(time.Hour)
	own, _, _ := authority.Issue(t, "", later)
	named, _, _ := authority.Issue(t, "models.example.com", later)
	expired, _, _ := authority.Issue(t, "", time.Now().Add(-time.Minute))
	mine, _, _ := authority.Issue(t, "me", later)
	serving := func(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }
	mutual := serving(own)
	mutual.ClientAuth, mutual.ClientCAs = tls.RequireAndVerifyClientCert, authority.Pool
	for name, tc := range map[string]struct {
		server, client *tls.Config
		ok             bool
		says           string
	}{
		"signed":                {serving(own), &tls.Config{RootCAs: authority.Pool}, true, ""},
		"by a stranger":         {serving(own), &tls.Config{RootCAs: stranger.Pool}, false, "unknown authority"},
		"expired":               {serving(expired), &tls.Config{RootCAs: authority.Pool}, false, "expired"},
		"for another name":      {serving(named), &tls.Config{RootCAs: authority.Pool}, false, "127.0.0.1"},
		"for the name given":    {serving(named), &tls.Config{RootCAs: authority.Pool, ServerName: "models.example.com"}, true, ""},
		"with a certificate":    {mutual, &tls.Config{RootCAs: authority.Pool, Certificates: []tls.Certificate{mine}}, true, ""},
		"without a certificate": {mutual, &tls.Config{RootCAs: authority.Pool}, false, "certificate required"},
	} {
		for _, transport := range []seldonclient.Transport{seldonclient.REST, seldonclient.GRPC} {
			t.Run(name+" over "+string(transport), func(t *testing.T) {
				t.Parallel()
				s := modeltest.New(t, modeltest.Options{TLS: tc.server.Clone()})
				c := client(t, s, "seldon", transport, func(o *seldonclient.Options) { o.TLS = tc.client.Clone() })
				a, err := c.Do(t.Context(), seldonclient.Call{Body: decode(t, `{"data":{"ndarray":[[1,2]]}}`)})
				if tc.ok {
					if err != nil || a.Status != 200 {
						t.Errorf("%+v, error %v", a, err)
					}
					return
				}
				e, ok := errors.AsType[*seldonclient.TransportError](err)
				if ok && e.Kind == seldonclient.KindReset && tc.server == mutual {
					return // the server hung up before its reason came
				}
				if !ok || e.Kind != seldonclient.KindTLS || e.Passing() || !strings.Contains(err.Error(), tc.says) {
					t.Errorf("answer %+v, error %v, want one of kind tls with %q", a, err, tc.says)
				}
			})
		}
	}
	// A server that speaks plain HTTP where TLS is expected.
	plain := modeltest.New(t, modeltest.Options{})
	c := client(t, plain, "seldon", "rest", func(o *seldonclient.Options) {
		o.Target.Endpoint, o.TLS = strings.Replace(plain.URL, "http:", "https:", 1), &tls.Config{RootCAs: x509.NewCertPool()}
	})
	_, err := c.Do(t.Context(), seldonclient.Call{Body: decode(t, `{"data":{"ndarray":[[1,2]]}}`)})
	if e, ok := errors.AsType[*seldonclient.TransportError](err); !ok || e.Passing() {
		t.Errorf("plain HTTP: error %v", err)
	}
}
