//go:build ignore

// Derives structs.txt, the form in which Go prints the structs behind the built-in kinds, from the Kubernetes version that
// tests/real pins: complaints of a kube-apiserver repeat wrong values in it.
//
// Usage: cd tests/real && go run ../../sdk/devcluster/data/structs.go > ../../sdk/devcluster/data/structs.txt
// The text form is described at the top of src/go/structs.rs, which reads it.
package main

import (
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/admissionregistration/install"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	_ "k8s.io/kubernetes/pkg/apis/autoscaling/install"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	_ "k8s.io/kubernetes/pkg/apis/coordination/install"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/apis/discovery/install"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	_ "k8s.io/kubernetes/pkg/apis/rbac/install"
	_ "k8s.io/kubernetes/pkg/apis/scheduling/install"
	_ "k8s.io/kubernetes/pkg/apis/storage/install"
)

var special = map[reflect.Type]string{
	reflect.TypeOf(resource.Quantity{}):    "q",
	reflect.TypeOf(metav1.Time{}):          "t",
	reflect.TypeOf(metav1.MicroTime{}):     "t",
	reflect.TypeOf(intstr.IntOrString{}):   "x",
	reflect.TypeOf(runtime.RawExtension{}): "?",
	reflect.TypeOf(metav1.FieldsV1{}):      "?",
}

var kinds = []schema.GroupVersionKind{
	{Version: "v1", Kind: "PodTemplate"}, {Version: "v1", Kind: "Service"}, {Version: "v1", Kind: "Node"}, {Version: "v1", Kind: "Endpoints"},
	{Version: "v1", Kind: "PersistentVolume"}, {Version: "v1", Kind: "PersistentVolumeClaim"}, {Version: "v1", Kind: "LimitRange"},
	{Version: "v1", Kind: "ResourceQuota"}, {Version: "v1", Kind: "Pod"}, {Version: "v1", Kind: "Event"},
	{Group: "apps", Version: "v1", Kind: "Deployment"}, {Group: "apps", Version: "v1", Kind: "StatefulSet"}, {Group: "apps", Version: "v1", Kind: "DaemonSet"},
	{Group: "batch", Version: "v1", Kind: "Job"}, {Group: "batch", Version: "v1", Kind: "CronJob"},
	{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"}, {Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"},
	{Group: "networking.k8s.io", Version: "v1", Kind: "IngressClass"}, {Group: "networking.k8s.io", Version: "v1", Kind: "IPAddress"},
	{Group: "networking.k8s.io", Version: "v1", Kind: "ServiceCIDR"},
	{Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"}, {Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "RoleBinding"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRole"}, {Group: "discovery.k8s.io", Version: "v1", Kind: "EndpointSlice"},
	{Group: "storage.k8s.io", Version: "v1", Kind: "CSIDriver"}, {Group: "storage.k8s.io", Version: "v1", Kind: "CSINode"},
	{Group: "storage.k8s.io", Version: "v1", Kind: "StorageClass"}, {Group: "storage.k8s.io", Version: "v1", Kind: "VolumeAttachment"},
	{Group: "storage.k8s.io", Version: "v1", Kind: "CSIStorageCapacity"}, {Group: "storage.k8s.io", Version: "v1", Kind: "VolumeAttributesClass"},
	{Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingWebhookConfiguration"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "MutatingWebhookConfiguration"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingAdmissionPolicy"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingAdmissionPolicyBinding"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "MutatingAdmissionPolicy"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "MutatingAdmissionPolicyBinding"},
}

// Public types that stand in annotations as Go writes them.
var written = []any{autoscalingv1.MetricSpec{}, autoscalingv1.MetricStatus{}, autoscalingv1.HorizontalPodAutoscalerCondition{}}

var lines = map[string][]string{}

func name(t reflect.Type) string {
	parts := strings.Split(t.PkgPath(), "/")
	return parts[len(parts)-1] + "." + t.Name()
}

// The public type may be missing where the private one has more than it.
func expr(t, public reflect.Type) string {
	if public != nil && public.Kind() == reflect.Pointer && t.Kind() != reflect.Pointer {
		public = public.Elem()
	}
	inner := func() reflect.Type {
		if public != nil && public.Kind() == t.Kind() {
			return public.Elem()
		}
		return public
	}
	if letter, found := special[t]; found {
		return letter
	}
	switch t.Kind() {
	case reflect.Pointer:
		return "*" + expr(t.Elem(), inner())
	case reflect.String:
		return "s"
	case reflect.Bool:
		return "b"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "y"
		}
		return "[" + expr(t.Elem(), inner()) + "]"
	case reflect.Map:
		return "{" + expr(t.Elem(), inner()) + "}"
	case reflect.Struct:
		visit(t, public)
		return name(t)
	case reflect.Interface:
		return "?"
	default:
		return "i"
	}
}

func tag(field reflect.StructField) (string, string) {
	name, rest, _ := strings.Cut(field.Tag.Get("json"), ",")
	if name == "" {
		name = field.Name
	}
	return name, rest
}

// The name in JSON of a field of the public type, looked for in what it embeds too; `-` where it is embedded itself.
func published(public reflect.Type, name string) (string, reflect.Type) {
	if public == nil || public.Kind() != reflect.Struct {
		return "", nil
	}
	if field, found := public.FieldByName(name); found {
		text, flags := tag(field)
		if flags == "inline" {
			text = "-"
		}
		return text, field.Type
	}
	return "", nil
}

func visit(t, public reflect.Type) {
	if _, seen := lines[name(t)]; seen {
		return
	}
	lines[name(t)] = nil
	var all []string
	for i := 0; i < t.NumField(); i++ {
		field := t.Field(i)
		written, flags := tag(field)
		if written == "-" || !field.IsExported() || field.Name == "TypeMeta" {
			continue
		}
		if field.Anonymous && field.Tag.Get("json") == "" || flags == "inline" {
			outer := public
			if public != nil && public.Kind() == reflect.Struct {
				if embedded, ok := public.FieldByName(field.Name); ok {
					outer = embedded.Type
					// The metadata of an object is a field of its own in public.
					if text, _ := tag(embedded); text != "" && !strings.Contains(embedded.Tag.Get("json"), "inline") {
						all = append(all, fmt.Sprintf(" . %s %s", text, expr(field.Type, outer)))
						continue
					}
				}
			}
			all = append(all, fmt.Sprintf(" . - %s", expr(field.Type, outer)))
			continue
		}
		from, of := published(public, field.Name)
		if from == "" {
			from = strings.ToLower(field.Name[:1]) + field.Name[1:]
		}
		// A struct is never empty for Go.
		if strings.Contains(flags, "omitempty") && field.Type.Kind() != reflect.Struct || strings.Contains(flags, "omitzero") {
			written += "-"
		}
		all = append(all, fmt.Sprintf(" %s %s %s", written, from, expr(field.Type, of)))
	}
	lines[name(t)] = all
}

func main() {
	for _, kind := range kinds {
		public, err := legacyscheme.Scheme.New(kind)
		if err == nil {
			var private runtime.Object
			private, err = legacyscheme.Scheme.New(schema.GroupVersionKind{Group: kind.Group, Version: runtime.APIVersionInternal, Kind: kind.Kind})
			if err == nil {
				visit(reflect.TypeOf(private).Elem(), reflect.TypeOf(public).Elem())
			}
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	for _, one := range written {
		visit(reflect.TypeOf(one), reflect.TypeOf(one))
	}
	var names []string
	for name := range lines {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Println(name)
		for _, line := range lines[name] {
			fmt.Println(line)
		}
	}
}
