# Completes `hawser` and `fab` in bash 3.2 and later:  source <(hawser --print-completion-script=bash)
# It reads the list that ordinary runs keep (hawser/completion/kept.py), and starts the program only where there is none.
# What is in the list is data: nothing of it is ever expanded, and all of it is quoted.

# Set `list` to the list of the project of this folder; fail where it has none.
_hawser_find() {
    local cache=${XDG_CACHE_HOME-} folder files
    [[ $cache == /* ]] || cache=$HOME/.cache
    folder=$(builtin pwd -P) || return
    while :; do
        list=$cache/hawser/completion/${folder//\//%}
        [[ -r $list && -O $list ]] && return 0
        files=("$folder"/hosts/*.toml)
        # Here begins a project, or the world ends.
        [[ -e $folder/fabfile.py || -e $folder/fabfile/__init__.py || -e ${files[0]} || $folder == / ]] && return 1
        folder=${folder%/*}
        folder=${folder:-/}
    done
}

_hawser() {
    local list all rows row i word begin rest environment task=- expects= target= offered=$'\n'
    local current=${COMP_WORDS[COMP_CWORD]} tab=$'\t' newline=$'\n'
    COMPREPLY=()
    if ! _hawser_find; then
        "${COMP_WORDS[0]}" --complete </dev/null >/dev/null 2>&1
        _hawser_find || return
    fi
    IFS= read -r -d '' all <"$list"
    IFS=$newline read -r -d '' -a rows <"$list"
    all=$newline$all

    # The task at which the line is, what the word before expects, and the hosts that are named.
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        # Of `--option=value` bash makes three words.
        [[ $word == = ]] && continue
        if [[ -n $expects ]]; then
            [[ $expects == target ]] && target=$word
            expects=
        elif [[ $word == -* ]]; then
            for rest in "$task" -; do
                [[ $all =~ "${newline}option$tab$rest$tab$word$tab"([a-z]+) ]] && expects=${BASH_REMATCH[1]} && break
            done
            [[ $expects == nothing ]] && expects=
        elif [[ $all == *"${newline}task$tab$word$tab"* ]]; then
            task=$word
        fi
    done
    [[ $current == = ]] && current=
    if [[ -n $target && $all =~ "${newline}target$tab${target%%,*}$tab"([^$tab]*) ]]; then
        environment=${BASH_REMATCH[1]}
    fi

    begin=
    [[ $expects == target && $current == *,* ]] && begin=${current%,*},
    for row in "${rows[@]}"; do
        rest=${row#*"$tab"}
        case $expects:$row in
            :task"$tab$current"* | target:target"$tab${current#"$begin"}"*) ;;
            :option"$tab"*)
                [[ $current == -* && ($rest == "-$tab$current"* || $rest == "$task$tab$current"*) ]] || continue
                rest=${rest#*"$tab"}
                ;;
            release:value* | revision:value* | process:value*)
                [[ $rest == "$expects$tab${environment:+$environment$tab}"* ]] || continue
                rest=${rest##*"$tab"}
                [[ $rest == "$current"* ]] || continue
                ;;
            *) continue ;;
        esac
        word=$begin${rest%%"$tab"*}
        # Members of several environments may have the same name.
        [[ $offered == *"$newline$word$newline"* ]] && continue
        offered+=$word$newline
        [[ $word == *[!A-Za-z0-9_./,:@%+=-]* ]] && printf -v word %q "$word"
        COMPREPLY+=("$word")
    done
}

complete -o default -F _hawser hawser fab
