# SPDX-License-Identifier: BSD-3-Clause
# Makes the OPTIONS of fancapd.yaml(5): what `daemon/manual configuration` says of each option (first file), and below it what
# config/fancapd.yaml (second file) explains: the comment in front of the option there. One that is not explained is an error.
function escape(text)
{
	gsub(/[\\*_~<>]/, "\\\\&", text)
	return text
}

# "option: value" or "- option: value", indented by two columns a level: its path.
function path_of(line,    indent, level, key, path)
{
	match(line, /^ */)
	indent = RLENGTH
	line = substr(line, indent + 2) # the '#'
	if (line ~ /^- /) {
		indent += 2
		line = substr(line, 3)
	}
	key = line
	sub(/:.*/, "", key)
	level = indent / 2
	keys[level] = key
	path = keys[0]
	for (i = 1; i <= level; i++)
		if (i in keys && keys[i] != "")
			path = path "." keys[i]
	for (i = level + 1; i < 10; i++)
		keys[i] = ""
	return path
}

BEGIN {
	FS = "\t"
}
FNR == NR {
	paths[++n] = $1
	facts[$1] = $2
	next
}
/^ *# / {
	if (fresh)
		comment = ""
	fresh = 0
	sub(/^ *# /, "")
	comment = comment (comment == "" ? "" : "\n") $0
	next
}
/^ *$/ {
	comment = "" # a paragraph that no option follows
	fresh = 0
	next
}
/^ *#/ {
	explained[path_of($0)] = comment # several options may share one
	fresh = 1
}
END {
	for (i_path = 1; i_path <= n; i_path++) {
		path = paths[i_path]
		if (explained[path] == "") {
			print path ": not explained in config/fancapd.yaml" > "/dev/stderr"
			exit 1
		}
		printf "*%s*%s\n", escape(path), facts[path] == "" ? "" : " (" escape(facts[path]) ")"
		text = "\t" escape(explained[path])
		gsub(/\n/, "\n\t", text)
		print text "\n"
	}
}
