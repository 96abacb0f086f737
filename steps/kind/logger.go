package kind

import (
	"fmt"
	"strings"
	"sync"

	"sigs.k8s.io/kind/pkg/log"
)

// kindLogger receives what kind's library reports. Its status lines tell the
// phases; its warnings are passed on; the output of kubeadm, which comes at
// level 3, is kept as evidence.
type kindLogger struct {
	logf    func(format string, args ...any)
	onPhase func(status string) // the text of a status line that begins

	mu      sync.Mutex
	kubeadm string
}

var _ log.Logger = (*kindLogger)(nil)

func (l *kindLogger) Warn(message string)               { l.logf("kind: %s", strings.TrimSpace(message)) }
func (l *kindLogger) Warnf(format string, args ...any)  { l.Warn(fmt.Sprintf(format, args...)) }
func (l *kindLogger) Error(message string)              { l.Warn(message) }
func (l *kindLogger) Errorf(format string, args ...any) { l.Warn(fmt.Sprintf(format, args...)) }
func (l *kindLogger) V(level log.Level) log.InfoLogger  { return kindLines{l, level} }

// kubeadmOutput is what kubeadm printed, "" before it ran.
func (l *kindLogger) kubeadmOutput() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.kubeadm
}

// kindLines is the logger at one level.
type kindLines struct {
	logger *kindLogger
	level  log.Level
}

func (i kindLines) Enabled() bool                    { return i.level <= 3 }
func (i kindLines) Infof(format string, args ...any) { i.Info(fmt.Sprintf(format, args...)) }

func (i kindLines) Info(message string) {
	switch {
	case i.level == 3:
		i.logger.mu.Lock()
		i.logger.kubeadm = message
		i.logger.mu.Unlock()
	case i.level == 0:
		text := strings.TrimSpace(message)
		if status, begins := strings.CutPrefix(text, "•"); begins && strings.HasSuffix(status, "...") {
			i.logger.onPhase(strings.TrimSpace(strings.TrimSuffix(status, "...")))
		}
	}
}
