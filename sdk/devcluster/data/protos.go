//go:build ignore

// Derives protos.txt, the protobuf form of the built-in kinds, from the Go types of the Kubernetes version that tests/real pins.
//
// Usage: cd tests/real && go run ../../sdk/devcluster/data/protos.go > ../../sdk/devcluster/data/protos.txt
// The text form is described at the top of src/protobuf.rs, which reads it.
package main

import (
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"
)

var special = map[reflect.Type]string{
	reflect.TypeOf(resource.Quantity{}):    "q",
	reflect.TypeOf(metav1.Time{}):          "t",
	reflect.TypeOf(metav1.MicroTime{}):     "m",
	reflect.TypeOf(intstr.IntOrString{}):   "x",
	reflect.TypeOf(runtime.RawExtension{}): "r",
	reflect.TypeOf(metav1.FieldsV1{}):      "r",
}

// Besides what resources.txt lists: kinds that are only sent to subresources, and options.
var more = []schema.GroupVersionKind{
	{Group: "autoscaling", Version: "v1", Kind: "Scale"},
	{Group: "authentication.k8s.io", Version: "v1", Kind: "TokenRequest"},
	{Group: "policy", Version: "v1", Kind: "Eviction"},
	{Version: "v1", Kind: "DeleteOptions"},
}

var lines = map[string][]string{}

func name(t reflect.Type) string {
	parts := strings.Split(t.PkgPath(), "/")
	return strings.Join(parts[len(parts)-2:], ".") + "." + t.Name()
}

func expr(t reflect.Type) string {
	if letter, found := special[t]; found {
		return letter
	}
	switch t.Kind() {
	case reflect.Pointer:
		return expr(t.Elem())
	case reflect.String:
		return "s"
	case reflect.Bool:
		return "b"
	case reflect.Int32, reflect.Int64, reflect.Int, reflect.Uint8, reflect.Uint32:
		return "i"
	case reflect.Float64:
		return "f"
	case reflect.Map:
		return "{" + expr(t.Elem()) + "}"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "y"
		}
		// Named lists of texts are messages of their own.
		if t.Name() == "ExtraValue" || t.Name() == "Verbs" {
			return "e"
		}
		return "[" + expr(t.Elem()) + "]"
	}
	message(t)
	return name(t)
}

func message(t reflect.Type) {
	if _, found := lines[name(t)]; found {
		return
	}
	lines[name(t)] = nil
	var fields []string
	for i := 0; i < t.NumField(); i++ {
		field := t.Field(i)
		tag := strings.Split(field.Tag.Get("protobuf"), ",")
		if len(tag) < 2 || tag[0] == "-" {
			continue
		}
		json := strings.Split(field.Tag.Get("json"), ",")
		flag := "?"
		switch {
		case json[0] == "" && strings.Contains(field.Tag.Get("json"), "inline"):
			flag, json[0] = "<", "-"
		case field.Type.Kind() == reflect.Pointer:
			flag = "="
		case !strings.Contains(field.Tag.Get("json"), "omitempty"):
			flag = "="
		}
		fields = append(fields, fmt.Sprintf(" %s %s %s %s", tag[1], json[0], flag, expr(field.Type)))
	}
	lines[name(t)] = fields
}

func main() {
	text, err := os.ReadFile("../../sdk/devcluster/data/resources.txt")
	if err != nil {
		panic(err)
	}
	kinds := more
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		words := strings.Split(line, " ")
		kinds = append(kinds, schema.GroupVersionKind{Group: strings.Trim(words[0], "-"), Version: words[1], Kind: words[3]})
	}
	var roots []string
	for _, kind := range kinds {
		// Definitions are of another module and come as JSON.
		if t, found := scheme.Scheme.AllKnownTypes()[kind]; found {
			roots = append(roots, fmt.Sprintf("%s %s = %s", kind.GroupVersion(), kind.Kind, expr(t)))
		}
	}
	var names []string
	for name := range lines {
		names = append(names, name)
	}
	sort.Strings(names)
	fmt.Println(strings.Join(roots, "\n"))
	for _, name := range names {
		fmt.Println(strings.Join(append([]string{name}, lines[name]...), "\n"))
	}
}
