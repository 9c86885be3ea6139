use super::*;
use crate::plugin::testing::package;

fn differs(change: impl FnOnce(&mut Manifest)) -> String {
    let signed = package().manifest;
    let mut code = signed.clone();
    change(&mut code);
    let refusal = agree(&signed, &code).unwrap_err().at(std::path::Path::new("weather"));
    refusal.message
}

#[test]
fn the_fields_in_which_code_and_manifest_disagree_are_named() {
    assert_eq!(agree(&package().manifest, &package().manifest), Ok(()));
    assert_eq!(
        differs(|it| it.version = "1.3.0".parse().unwrap()),
        "the library says of itself something else than plugin.json: `version` (signed `1.2.0`, the library says `1.3.0`)"
    );
    assert_eq!(
        differs(|it| {
            it.tools.clear();
            it.capabilities.clear();
            it.title = Some("Weather".to_owned());
        }),
        "the library says of itself something else than plugin.json: `capabilities`, `title`, `tools`"
    );
}
