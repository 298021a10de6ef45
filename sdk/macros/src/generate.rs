//! The code that the attribute adds behind the function.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Error, FnArg, GenericArgument, ItemFn, LitStr, PathArguments, Result, Type};

use crate::declaration::{Applies, Declaration, Mapping, Need, Trigger, Watch};

pub(crate) fn expand(declaration: &Declaration, function: &ItemFn) -> Result<TokenStream> {
    let name = &function.sig.ident;
    let config = config_type(function)?;
    let schema = match &config {
        None => quote!(None),
        Some(config) => {
            quote!(Some(motet_sdk::private::schema::<#config>))
        }
    };
    let config = config.map_or_else(|| quote!(()), |c| quote!(#c));
    let primary = match &declaration.primary {
        Some(watch) => {
            let watch = watch_tokens(watch);
            quote!(motet_sdk::Primary::Object(#watch))
        }
        None => quote!(motet_sdk::Primary::Member),
    };
    let related = declaration.related.iter().map(|(watch, mapping)| {
        let (watch, mapping) = (watch_tokens(watch), mapping_tokens(mapping));
        quote!((#watch, #mapping))
    });
    let applies = declaration.applies.iter().map(applies_tokens);
    let needs = declaration.needs.iter().map(need_tokens);
    let Declaration { status, events, finalizer, .. } = declaration;
    Ok(quote! {
        #function

        #[doc(hidden)]
        struct MotetPlugin;

        // Natively only tests call the function; without this, all it uses would be dead code there.
        const _: fn(&motet_sdk::Context<#config>) -> motet_sdk::Result<motet_sdk::Outcome> =
            <MotetPlugin as motet_sdk::Plugin>::reconcile;

        impl motet_sdk::Plugin for MotetPlugin {
            type Config = #config;

            const DESCRIPTION: motet_sdk::Description = motet_sdk::Description {
                name: env!("CARGO_PKG_NAME"),
                version: env!("CARGO_PKG_VERSION"),
                primary: #primary,
                related: &[#(#related),*],
                applies: &[#(#applies),*],
                needs: &[#(#needs),*],
                config: #schema,
                finalizer: #finalizer,
                status: #status,
                events: #events,
            };

            fn reconcile(ctx: &motet_sdk::Context<#config>) -> motet_sdk::Result<motet_sdk::Outcome> {
                #name(ctx)
            }
        }

        // Natively there is nobody to export to, and linkers do not take the contract's names.
        #[cfg(target_family = "wasm")]
        const _: () = {
            use motet_sdk::{Plugin, bindings::exports::motet::plugin::reconciler, private::{length, render}};

            static JSON: [u8; length(&MotetPlugin::DESCRIPTION)] = render(&MotetPlugin::DESCRIPTION);

            impl reconciler::Guest for MotetPlugin {
                fn describe() -> Vec<u8> {
                    motet_sdk::guest::describe::<Self>(&JSON)
                }
                fn reconcile(
                    request: reconciler::Request,
                ) -> ::core::result::Result<reconciler::Outcome, reconciler::Failure> {
                    motet_sdk::guest::reconcile::<Self>(request)
                }
            }

            motet_sdk::bindings::export_plugin!(MotetPlugin with_types_in motet_sdk::bindings);
        };
    })
}

/// The `C` of `&Context<C>`; `None` for a bare `&Context`.
fn config_type(function: &ItemFn) -> Result<Option<Type>> {
    let expected = || Error::new_spanned(&function.sig, "a plugin is fn(ctx: &Context<Config>) -> Result<Outcome>");
    let Some(FnArg::Typed(argument)) = function.sig.inputs.first() else { return Err(expected()) };
    let Type::Reference(reference) = &*argument.ty else { return Err(expected()) };
    let Type::Path(path) = &*reference.elem else { return Err(expected()) };
    let Some(segment) = path.path.segments.last() else { return Err(expected()) };
    match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => match arguments.args.first() {
            Some(GenericArgument::Type(Type::Tuple(unit))) if unit.elems.is_empty() => Ok(None),
            Some(GenericArgument::Type(config)) => Ok(Some(config.clone())),
            _ => Err(expected()),
        },
        _ => Ok(None),
    }
}

fn option(text: &Option<LitStr>) -> TokenStream {
    text.as_ref().map_or_else(|| quote!(None), |t| quote!(Some(#t)))
}

fn watch_tokens(watch: &Watch) -> TokenStream {
    let Watch { kind, namespaces, .. } = watch;
    let plural = option(&watch.plural);
    let empty = || LitStr::new("", kind.span());
    let labels = watch.labels.clone().unwrap_or_else(empty);
    let fields = watch.fields.clone().unwrap_or_else(empty);
    let projection = watch.projection.as_ref().map_or_else(|| quote!(None), |p| quote!(Some(&[#(#p),*])));
    let trigger = match &watch.trigger {
        Trigger::Any => quote!(motet_sdk::Trigger::Any),
        Trigger::Generation => quote!(motet_sdk::Trigger::Generation),
        Trigger::Paths(paths) => quote!(motet_sdk::Trigger::Paths(&[#(#paths),*])),
    };
    quote!(motet_sdk::Watch {
        kind: #kind,
        plural: #plural,
        namespaces: &[#(#namespaces),*],
        labels: #labels,
        fields: #fields,
        trigger: #trigger,
        projection: #projection,
    })
}

fn mapping_tokens(mapping: &Mapping) -> TokenStream {
    let capital = |word: &syn::Ident| {
        let word = word.to_string();
        let (first, rest) = word.split_at(1);
        format_ident!("{}{}", first.to_uppercase(), rest)
    };
    match mapping {
        Mapping::Plain(word) => {
            let variant = capital(word);
            quote!(motet_sdk::Mapping::#variant)
        }
        Mapping::With(word, text) => {
            let variant = capital(word);
            quote!(motet_sdk::Mapping::#variant(#text))
        }
    }
}

fn applies_tokens(applies: &Applies) -> TokenStream {
    let Applies { kind, set, status, .. } = applies;
    let plural = option(&applies.plural);
    quote!(motet_sdk::Applies { kind: #kind, plural: #plural, set: #set, status: #status })
}

fn need_tokens(need: &Need) -> TokenStream {
    let Need { kind, verbs, .. } = need;
    let plural = option(&need.plural);
    quote!(motet_sdk::Need { kind: #kind, plural: #plural, verbs: &[#(#verbs),*] })
}
