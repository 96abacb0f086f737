package match

import (
	"fmt"
	"math"
	"regexp"
	"strings"

	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

func compile(v any) (node, error) {
	switch x := v.(type) {
	case []any:
		out := make([]node, len(x))
		for i, item := range x {
			var err error
			if out[i], err = compile(item); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		for key := range x {
			if strings.HasPrefix(key, "$") {
				if len(x) != 1 {
					return nil, fmt.Errorf("matcher %s stands beside other keys", key)
				}
				return matcher(key, x[key])
			}
		}
		return compileObject(x)
	}
	return v, nil
}

func compileObject(x map[string]any) (map[string]node, error) {
	out := make(map[string]node, len(x))
	for key, item := range x {
		n, err := compile(item)
		if err != nil {
			return nil, err
		}
		out[key] = n
	}
	return out, nil
}

func matcher(key string, arg any) (node, error) {
	list, isList := arg.([]any)
	switch key {
	case "$any":
		return anything{}, nil
	case "$literal":
		return literal(arg), nil
	case "$matches":
		text, ok := arg.(string)
		if !ok {
			return nil, fmt.Errorf("$matches takes a regular expression, not %s", value.Kind(arg))
		}
		re, err := regexp.Compile(text)
		if err != nil {
			return nil, fmt.Errorf("$matches: %w", err)
		}
		return finds{re}, nil
	case "$oneOf", "$set":
		if !isList {
			return nil, fmt.Errorf("%s takes an array, not %s", key, value.Kind(arg))
		}
		if key == "$set" && len(list) > maxSet {
			return nil, fmt.Errorf("$set takes at most %d elements", maxSet)
		}
		patterns := make([]Pattern, len(list))
		for i, item := range list {
			var err error
			if patterns[i], err = Compile(item); err != nil {
				return nil, err
			}
		}
		if key == "$oneOf" {
			return oneOf{patterns}, nil
		}
		return set{patterns}, nil
	case "$between":
		if isList && len(list) == 2 {
			low, ok1 := value.Float(list[0])
			high, ok2 := value.Float(list[1])
			if ok1 && ok2 && low <= high {
				return between{low, high}, nil
			}
		}
		return nil, fmt.Errorf("$between takes two numbers, the smaller first, not %s", value.String(arg, 60))
	case "$length":
		n, ok := arg.(float64)
		if !ok || n < 0 || n != math.Trunc(n) {
			return nil, fmt.Errorf("$length takes a whole number from 0, not %s", value.String(arg, 60))
		}
		return length{int(n)}, nil
	case "$contains":
		object, ok := arg.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("$contains takes an object, not %s", value.Kind(arg))
		}
		keys, err := compileObject(object)
		return contains{keys}, err
	}
	return nil, fmt.Errorf("there is no matcher %s; there are $any, $between, $contains, $length, $literal, $matches, $oneOf and $set", key)
}

// maxSet bounds what is compared in any order, which takes quadratic time.
const maxSet = 2000

func literal(v any) node {
	switch x := v.(type) {
	case []any:
		out := make([]node, len(x))
		for i, item := range x {
			out[i] = literal(item)
		}
		return out
	case map[string]any:
		out := make(map[string]node, len(x))
		for key, item := range x {
			out[key] = literal(item)
		}
		return out
	}
	return v
}
