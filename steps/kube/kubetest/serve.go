package kubetest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"
)

func apiUID(text string) types.UID {
	sum := sha256.Sum256([]byte(text))
	return types.UID(hex.EncodeToString(sum[:16]))
}

// target is what a path names.
type target struct {
	resource              resource
	namespace, name, part string
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.Path)
	s.mu.Unlock()
	if s.Refuse != nil {
		if status := s.Refuse(r.Method, r.URL.Path); status != nil {
			s.fail(w, status)
			return
		}
	}
	if s.discovery(w, r) {
		return
	}
	t, ok := s.target(r.URL.Path)
	if !ok {
		s.fail(w, notFound(r.URL.Path))
		return
	}
	switch {
	case t.part == "log":
		s.log(w, r, t)
	case r.Method == http.MethodGet && t.name != "":
		s.mu.Lock()
		obj := s.objects[id(t.resource, t.namespace, t.name)]
		s.mu.Unlock()
		if obj == nil {
			s.fail(w, notFound(t.resource.plural+" "+t.name))
			return
		}
		answer(w, obj.Object)
	case r.Method == http.MethodGet && r.URL.Query().Get("watch") != "":
		s.watch(w, r, t)
	case r.Method == http.MethodGet:
		s.list(w, r, t)
	case r.Method == http.MethodPatch, r.Method == http.MethodPost:
		s.apply(w, r, t)
	case r.Method == http.MethodDelete:
		s.Remove(t.resource.kind, t.namespace, t.name)
		answer(w, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Success"})
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

// target reads /api/v1/… and /apis/GROUP/VERSION/… paths.
func (s *Server) target(path string) (target, bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	var group, version string
	switch {
	case len(parts) > 2 && parts[0] == "api":
		version, parts = parts[1], parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		group, version, parts = parts[1], parts[2], parts[3:]
	default:
		return target{}, false
	}
	var t target
	if parts[0] == "namespaces" && len(parts) > 2 {
		t.namespace, parts = parts[1], parts[2:]
	}
	s.mu.Lock()
	i := slices.IndexFunc(s.resources, func(r resource) bool {
		return r.group == group && r.version == version && r.plural == parts[0]
	})
	if i >= 0 {
		t.resource = s.resources[i]
	}
	s.mu.Unlock()
	if len(parts) > 1 {
		t.name = parts[1]
	}
	if len(parts) > 2 {
		t.part = parts[2]
	}
	return t, i >= 0
}

func answer(w http.ResponseWriter, object any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(object)
}

// discovery answers what the server serves, in the old form of one document
// for each group version.
func (s *Server) discovery(w http.ResponseWriter, r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.Trim(r.URL.Path, "/")
	versions := map[string][]string{}
	lists := map[string][]any{}
	for _, res := range s.resources {
		if !slices.Contains(versions[res.group], res.version) {
			versions[res.group] = append(versions[res.group], res.version)
		}
		lists[res.groupVersion()] = append(lists[res.groupVersion()], map[string]any{
			"name": res.plural, "kind": res.kind, "namespaced": res.namespaced, "verbs": []string{"get", "list", "watch", "patch", "create", "delete"},
		})
	}
	switch {
	case path == "version":
		answer(w, map[string]any{"major": "1", "minor": "34", "gitVersion": "v1.34.4"})
	case path == "api":
		answer(w, map[string]any{"kind": "APIVersions", "versions": versions[""]})
	case path == "apis":
		groups := []any{}
		for group, names := range versions {
			if group == "" {
				continue
			}
			var entries []any
			for _, name := range names {
				entries = append(entries, map[string]any{"groupVersion": group + "/" + name, "version": name})
			}
			groups = append(groups, map[string]any{"name": group, "versions": entries, "preferredVersion": entries[0]})
		}
		answer(w, map[string]any{"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
	default:
		groupVersion := strings.TrimPrefix(strings.TrimPrefix(path, "apis/"), "api/")
		resources, ok := lists[groupVersion]
		if ok {
			answer(w, map[string]any{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": groupVersion, "resources": resources})
		}
		return ok
	}
	return true
}

func (s *Server) log(w http.ResponseWriter, r *http.Request, t target) {
	s.mu.Lock()
	text, ok := s.logs[t.namespace+"/"+t.name+"/"+r.URL.Query().Get("container")]
	s.mu.Unlock()
	if !ok || r.URL.Query().Get("previous") == "true" {
		s.fail(w, notFound("log"))
		return
	}
	lines := strings.Split(text, "\n")
	if tail, err := strconv.Atoi(r.URL.Query().Get("tailLines")); err == nil && len(lines) > tail {
		lines = lines[len(lines)-tail:]
	}
	fmt.Fprintln(w, strings.Join(lines, "\n"))
}

func (s *Server) list(w http.ResponseWriter, r *http.Request, t target) {
	matches := selects(r.URL.Query(), t.namespace)
	s.mu.Lock()
	defer s.mu.Unlock()
	items := []any{}
	for at, obj := range s.objects {
		if strings.HasPrefix(at, t.resource.group+"/"+t.resource.plural+"/") && matches(obj) {
			items = append(items, obj.DeepCopy().Object)
		}
	}
	answer(w, map[string]any{
		"kind": t.resource.kind + "List", "apiVersion": t.resource.groupVersion(),
		"metadata": map[string]any{"resourceVersion": strconv.Itoa(s.version)}, "items": items,
	})
}

// watch sends what happened after the version that was asked for. What was
// stored meanwhile is sent as it is now.
func (s *Server) watch(w http.ResponseWriter, r *http.Request, t target) {
	matches := selects(r.URL.Query(), t.namespace)
	from, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	events := make(chan event, 1000)
	s.mu.Lock()
	for at, obj := range s.objects {
		version, _ := strconv.Atoi(obj.GetResourceVersion())
		if strings.HasPrefix(at, t.resource.group+"/"+t.resource.plural+"/") && version > from && matches(obj) {
			events <- event{"MODIFIED", obj.DeepCopy().Object}
		}
	}
	s.watchers[events] = watching{t.resource, matches}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.watchers, events)
		s.mu.Unlock()
	}()
	w.Header().Set("Content-Type", "application/json")
	flusher := w.(http.Flusher)
	flusher.Flush()
	for {
		select {
		case <-r.Context().Done():
			return
		case e, open := <-events:
			if !open {
				return
			}
			_ = json.NewEncoder(w).Encode(e)
			flusher.Flush()
		}
	}
}

// apply stores an object: server-side apply as a merge of mappings, or creation.
func (s *Server) apply(w http.ResponseWriter, r *http.Request, t target) {
	var sent unstructured.Unstructured
	body := json.NewDecoder(r.Body)
	var raw json.RawMessage
	if err := body.Decode(&raw); err == nil {
		err = yaml.Unmarshal(raw, &sent.Object)
		if err == nil {
			err = sent.UnmarshalJSON(raw)
		}
		if err != nil {
			s.fail(w, &metav1.Status{Code: 400, Reason: metav1.StatusReasonBadRequest, Message: err.Error()})
			return
		}
	}
	sent.SetNamespace(t.namespace)
	s.mu.Lock()
	if t.namespace != "" && t.namespace != "default" && s.objects["/namespaces//"+t.namespace] == nil {
		s.mu.Unlock()
		s.fail(w, notFound("namespaces \""+t.namespace+"\""))
		return
	}
	if sent.GetName() == "" {
		sent.SetName(sent.GetGenerateName() + strconv.Itoa(s.version))
	}
	merged := &sent
	if before := s.objects[id(t.resource, t.namespace, sent.GetName())]; before != nil {
		merged = before.DeepCopy()
		merge(merged.Object, sent.Object)
	}
	stored := s.store(t.resource, merged)
	s.mu.Unlock()
	if s.OnApply != nil {
		s.OnApply(stored.DeepCopy())
	}
	answer(w, stored.Object)
}

func merge(into, from map[string]any) {
	for key, value := range from {
		if old, ok := into[key].(map[string]any); ok {
			if update, ok := value.(map[string]any); ok {
				merge(old, update)
				continue
			}
		}
		into[key] = value
	}
}
