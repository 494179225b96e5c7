use super::{Template, Value};
use std::collections::BTreeMap;

fn data() -> Value {
    let node = |name: &str, zone: i64| {
        let tags = BTreeMap::from([("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".into())]);
        let tags = if zone == 1 { tags } else { BTreeMap::new() };
        Value::object([("Name", name.into()), ("Zone", zone.into()), ("Tags", (&tags).into())])
    };
    let state = Value::Named { value: "".into(), shown: "(none)".into() };
    Value::object([
        ("Nodes", Value::list([node("n1", 1), node("n2", 2)])),
        ("Id", "abc".into()),
        ("Free", 12_582_911_i64.into()),
        ("Factor", 1.5_f32.into()),
        ("State", state),
        ("On", true.into()),
        ("None", Value::list([])),
    ])
}

fn made(template: &str) -> String {
    Template::parse(template).unwrap().render(&data()).unwrap()
}

/// Templates and what Go makes of them (text/template's documentation).
#[test]
fn templates_do_what_go_does() {
    let table = [
        ("plain\ntext", "plain\ntext"),
        ("{{.Id}}", "abc"),
        ("a {{- .Id -}} b", "aabcb"),
        ("a {{/* no */}} b", "a  b"),
        ("a {{- /* no */ -}} b", "ab"),
        ("{{23 -}}\n < \n{{- 45}}", "23<45"),
        ("{{\"a\\tb\\\"\"}}{{`c\\d`}}", "a\tb\"c\\d"),
        ("{{range .Nodes}}{{.Name}},{{end}}", "n1,n2,"),
        ("{{range $i, $n := .Nodes}}{{$i}}{{$n.Name}}{{$.Id}} {{end}}", "0n1abc 1n2abc "),
        ("{{range $n := .Nodes}}{{$n.Zone}}{{end}}", "12"),
        ("{{range .None}}x{{else}}empty{{end}}", "empty"),
        ("{{range $k, $v := (index .Nodes 0).Tags}}{{$k}}={{$v}} {{end}}", "a=1 b=2 "),
        ("{{range .Nodes}}{{if eq .Zone 2}}{{continue}}{{end}}{{.Name}}{{end}}", "n1"),
        ("{{range .Nodes}}{{.Name}}{{break}}{{end}}.", "n1."),
        ("{{if .None}}a{{else if .On}}b{{else}}c{{end}}", "b"),
        ("{{with .Id}}{{.}}{{else}}no{{end}}", "abc"),
        ("{{with $x := .Id}}{{$x}}{{end}}", "abc"),
        ("{{with .None}}{{.}}{{else with .On}}{{.}}{{end}}", "true"),
        ("{{$x := 1}}{{range .Nodes}}{{$x = .Zone}}{{end}}{{$x}}", "2"),
        ("{{$x := 1}}{{if .On}}{{$x := 5}}{{end}}{{$x}}", "1"),
        ("{{.Id | printf \"%-6s|\"}}", "abc   |"),
        ("{{printf \"%6v|%-4d|%04d|%+d\" .Id 7 -7 7}}", "   abc|7   |-007|+7"),
        ("{{printf \"%.2f %q %t %x %%\" .Factor .Id .On 255}}", "1.50 \"abc\" true ff %"),
        ("{{print 1 2 \"a\" 3}}|{{println .Id 1}}", "1 2a3|abc 1\n"),
        ("{{len .Nodes}} {{len .Id}} {{slice .Id 1 2}}{{slice .Id 2}}", "2 3 bc"),
        ("{{.None}} {{(index .Nodes 0).Tags}}", "[] map[a:1 b:2]"),
        ("{{index (index .Nodes 0).Tags \"a\"}}{{index (index .Nodes 0).Tags \"x\"}}", "1"),
        ("{{(index .Nodes 0).Tags.x}}", "<no value>"),
        ("{{.Factor}} {{.Free | kibToGib}} {{.On}}", "1.5 11 true"),
        ("{{.State}}{{if eq .State \"\"}} free{{end}}", "(none) free"),
        (
            "{{eq .Id \"x\" \"abc\"}} {{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge 1 2}}",
            "true true true true false false",
        ),
        (
            "{{and .On .Id}} {{and .None .Nope}} {{or .Id .Nope}} {{or .None 0}} {{not .On}}",
            "abc [] abc 0 false",
        ),
        ("{{entryStateString \"failed\"}} {{entryStateString \"online\"}}", "removed online"),
        (
            "{{define \"t\"}}<{{.}}{{$}}>{{end}}{{template \"t\" .Id}}{{template \"t\"}}",
            "<abcabc><<no value><no value>>",
        ),
        ("{{block \"t\" .Id}}[{{.}}]{{end}}", "[abc]"),
    ];
    for (template, expected) in table {
        let made = Template::parse(template).and_then(|t| t.render(&data()));
        assert_eq!(made.as_deref().ok(), Some(expected), "{template} {made:?}");
    }
}

#[test]
fn join_takes_a_list_and_what_stands_between() {
    let hosts = ["h1".to_owned(), "h2".to_owned()];
    let data = Value::object([("Hosts", hosts.as_slice().into())]);
    let template = Template::parse("{{join .Hosts \", \"}} {{.Hosts}}").unwrap();
    assert_eq!(template.render(&data).unwrap(), "h1, h2 [h1 h2]");
}

#[test]
fn what_is_no_template_is_refused_with_its_line() {
    let deep = format!("{}1{}", "(".repeat(200), ")".repeat(200));
    let deep = format!("{{{{{deep}}}}}");
    let table = [
        ("\n\n{{.Id", "line 3: an action is not closed"),
        ("{{if .On}}", "the end of if is missing"),
        ("{{range .Nodes}}x{{else}}y", "the end of range is missing"),
        ("x{{end}}", "without a beginning"),
        ("{{nope .Id}}", "there is no function nope"),
        ("{{call .Id}}", "there is no function call"),
        ("{{$x}}", "there is no variable $x"),
        ("{{$x := $x}}", "there is no variable $x"),
        ("{{if .On}}{{$x := 1}}{{end}}{{$x}}", "there is no variable $x"),
        ("{{.Id .Id}}", "only a function takes arguments"),
        ("{{.Id | .Id}}", "only a function can stand behind |"),
        ("{{}}", "a value is missing"),
        ("{{(.Id}}", "a ) is missing"),
        ("{{\"abc}}", "closing \" is missing"),
        ("{{`abc}}", "a ` is missing"),
        ("{{1x}}", "1x is not a number"),
        ("{{.Id ; 1}}", "\";\" means nothing here"),
        ("{{/* abc}}", "endless comment"),
        ("{{break}}", "break outside of a range"),
        ("{{template \"x\"}}", "there is no template \"x\""),
        (&deep, "nested too deeply"),
    ];
    for (template, expected) in table {
        let error = Template::parse(template).err().map(|e| format!("{e:#}")).unwrap_or_default();
        assert!(error.contains(expected), "{template}: {error}");
    }
}

#[test]
fn what_the_data_has_not_is_named() {
    let table = [
        ("a\n{{.Nope}}", "line 2: there is no .Nope here, only .Nodes .Id"),
        ("{{.Id.Nope}}", ".Nope asks for a member, but a text has none"),
        ("{{index .Nodes 0}}", "a whole object cannot be printed, only its members: .Name"),
        ("{{.Nodes}}", "a whole object cannot be printed"),
        ("{{range .Id}}{{end}}", "a range goes over lists and maps, not over a text"),
        ("{{index .Nodes 7}}", "index 7 of a list of 2"),
        ("{{eq .Id 1}}", "a text and a number cannot be compared"),
        ("{{printf \"%d\" .Id}}", "%d cannot print a text"),
        ("{{printf \"%d\"}}", "nothing is given for %d"),
        ("{{printf \"x\" 1}}", "more than the format has verbs"),
        ("{{printf \"%c\" 1}}", "%c is not supported"),
        ("{{len 1}}", "a number has no length"),
        ("{{join .Id}}", "join cannot take a text"),
        ("{{slice .Id 2 9}}", "slice 2:9 of 3"),
        ("{{define \"t\"}}{{template \"t\"}}{{end}}{{template \"t\"}}", "calls itself without end"),
    ];
    for (template, expected) in table {
        let error = Template::parse(template).unwrap().render(&data()).unwrap_err();
        assert!(format!("{error:#}").contains(expected), "{template}: {error:#}");
    }
    assert_eq!(made("{{if .Id}}x{{end}}"), "x");
}
