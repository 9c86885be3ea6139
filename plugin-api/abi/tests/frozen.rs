//! The binary interface is frozen: a plugin of today must load in every server to
//! come. What abi_stable compares when it loads one is written down in
//! `frozen.txt`, and must not change; grow the contract instead, see
//! ARCHITECTURE.md, "Frozen ABI, growing contract".

use std::{collections::HashMap, fmt::Write};

use plugin_abi::{
    HostObject, PluginModRef, PluginObject,
    abi_stable::{
        StableAbi,
        library::{AbiHeader, RootModule},
        type_layout::{TLData, TypeLayout},
    },
};

/// Every type that was met, under a number: names leave out what types are made
/// for.
#[derive(Default)]
struct Types {
    numbers: HashMap<String, usize>,
    text: Vec<String>,
}

impl Types {
    /// The number of a type, which is described where it is met first.
    fn number(&mut self, layout: &'static TypeLayout) -> usize {
        let id = format!("{:?}", layout.get_utypeid());
        if let Some(number) = self.numbers.get(&id) {
            return *number;
        }
        let number = self.text.len();
        self.numbers.insert(id, number);
        self.text.push(String::new());
        let description = self.describe(layout);
        self.text[number] = format!("#{number} {description}");
        number
    }

    fn describe(&mut self, layout: &'static TypeLayout) -> String {
        let fields = match layout.data() {
            TLData::Struct { fields } | TLData::Union { fields } => fields.to_vec(),
            TLData::PrefixType(prefix) => prefix.fields.to_vec(),
            TLData::Enum(variants) => variants.fields.to_vec(),
            TLData::Primitive(_) | TLData::Opaque => Vec::new(),
        };
        let (size, align) = (layout.size(), layout.alignment());
        let mut text = format!("{} (size {size}, align {align})\n", layout.full_type());
        // What is not in the fields, and compared all the same.
        let _ = writeln!(text, "    as {:?}", layout.repr_attr());
        if let Some(checks) = layout.extra_checks() {
            let _ = writeln!(text, "    wants {checks:?}");
        }
        match layout.data() {
            TLData::PrefixType(prefix) => {
                let _ = writeln!(text, "    may lack fields from number {} on", prefix.first_suffix_field);
            }
            TLData::Enum(variants) => {
                let (names, how) = (variants.variant_names, variants.exhaustiveness);
                let _ = writeln!(text, "    one of {names} {:?} {how:?}", variants.discriminants);
            }
            _ => {}
        }
        for field in fields.iter().chain(&layout.phantom_fields().to_vec()) {
            let _ = write!(text, "    {}: #{}", field.name(), self.number(field.layout()));
            for function in field.function_range().iter() {
                let parameters: Vec<_> = function
                    .param_type_layouts
                    .iter()
                    .map(|parameter| format!("#{}", self.number(parameter())))
                    .collect();
                let answer = function.return_type_layout().map(|layout| self.number(layout()));
                let answer = answer.map_or("()".to_owned(), |answer| format!("#{answer}"));
                let _ = write!(text, " fn({}) -> {answer}", parameters.join(", "));
            }
            text.push('\n');
        }
        text
    }
}

#[test]
fn the_types_are_as_they_were_in_version_1_0_0() {
    let mut types = Types::default();
    for layout in [PluginModRef::LAYOUT, PluginObject::LAYOUT, HostObject::LAYOUT] {
        types.number(layout);
    }
    let text = types.text.concat();
    assert!(
        text == include_str!("frozen.txt"),
        "the plugin ABI has changed, so that older plugins may not load any more (ARCHITECTURE.md, \
         \"Frozen ABI, growing contract\"); it is now:\n{text}"
    );
    assert_eq!(env!("CARGO_PKG_VERSION"), "1.0.0");
    assert_eq!(PluginModRef::VERSION_STRINGS.version.as_str(), "1.0.0");
    assert_eq!((AbiHeader::VALUE.abi_major, AbiHeader::VALUE.abi_minor), (0, 11));
}

/// `call` and `input` are of one type: no layout would tell if they were swapped.
#[test]
fn what_is_of_one_type_stays_in_its_order() {
    let order = "op: RStr<'_>,\n        call: RSlice<'_, u8>,\n        input: RSlice<'_, u8>,\n";
    assert_eq!(include_str!("../src/lib.rs").matches(order).count(), 2);
}
