#define _GNU_SOURCE
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST 1024

static struct { char *name, *value; } entries[MOST];
static int count;
static FILE *file;

static void keep(const char *name, const char *value)
{
    int i = 0;
    while (i < count && strcmp(entries[i].name, name))
        i++;
    if (i == MOST)
        return;
    if (i == count)
        entries[count++].name = strdup(name);
    else
        free(entries[i].value);
    entries[i].value = strdup(value);
}

void store_open(const char *path)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t length;

    file = fopen(path, "a+");
    if (!file) {
        perror(path);
        exit(1);
    }
    rewind(file);
    while ((length = getline(&line, &size, file)) > 0) {
        char *tab = strchr(line, '\t');
        if (!tab || line[length - 1] != '\n')
            continue;
        line[length - 1] = *tab = 0;
        keep(line, tab + 1);
    }
    free(line);
}

const char *store_get(const char *name)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(entries[i].name, name))
            return entries[i].value;
    return NULL;
}

void store_set(const char *name, const char *value)
{
    keep(name, value);
    if (file) {
        fprintf(file, "%s\t%s\n", name, value);
        fflush(file);
        fsync(fileno(file));
    }
}

const char *store_name(int position, const char *prefix)
{
    for (int i = 0; i < count; i++)
        if (!strncmp(entries[i].name, prefix, strlen(prefix)) && position-- == 0)
            return entries[i].name;
    return NULL;
}
