package gateway

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"
)

// Run serves on listener by the Mappings of the Services until ctx ends, and
// then lets requests finish for a few seconds.
func Run(ctx context.Context, listener net.Listener, services *Services, log *slog.Logger) error {
	handler := NewHandler(log)
	services.Changed = func(annotations map[string]string) {
		table := tableOf(annotations, log)
		handler.Use(table)
		log.Info("routes changed", "services", len(annotations), "mappings", table.Len())
	}
	services.Failed = func(err error) { log.Warn("list the Services anew", "error", err) }
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go services.Run(ctx)

	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{
		Handler: handler, Protocols: &protocols, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	grace, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer stop()
	err := server.Shutdown(grace)
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// tableOf reads the Mappings of all annotations; a wrong one is logged.
func tableOf(annotations map[string]string, log *slog.Logger) *Table {
	var all []Mapping
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		mappings, err := Parse(annotations[key])
		if err != nil {
			log.Warn("a mapping is wrong", "service", key, "error", err)
		}
		all = append(all, mappings...)
	}
	return NewTable(all)
}
