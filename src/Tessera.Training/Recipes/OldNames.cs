using System.Globalization;

namespace Tessera.Training.Recipes;

/// <summary>Names that recipes used before, which are still read: resolved recipes of older runs have them.</summary>
internal static class OldNames
{
    // Fields by their path; where the new place is in another section, the field moves there.
    private static readonly (string Old, string New)[] fields =
    [
        ("auxiliary", "auxiliary_losses"),
        ("train.clip", "train.clip_grad"),
        ("train.clip_adaptive", "train.clip_grad_adaptive"),
        ("train.accumulate", "train.grad_accum_steps"),
        ("train.recompute_blocks", "train.grad_checkpointing"),
    ];

    // Fields of tasks that stood in sections of all tasks, with the default that resolved recipes hold whatever the task is.
    private static readonly (string Old, string Task, string Field, string? Default)[] ofTasks =
    [
        ("data.length", "text", "length", "64"),
        ("data.min_count", "text", "min_count", "1"),
        ("data.max_words", "text", "max_words", (1 << 24).ToString(CultureInfo.InvariantCulture)),
        ("model.word_vectors", "text", "word_vectors", null),
        ("evaluation.bins", "classification", "bins", "15"),
    ];

    private static readonly Dictionary<string, string> choices = new()
    {
        ["crop"] = "random_crop",
        ["flip"] = "random_horizontal_flip",
        ["vertical_flip"] = "random_vertical_flip",
        ["shift"] = "random_shift",
        ["resized_crop"] = "random_resized_crop",
        ["grayscale"] = "random_grayscale",
        ["solarize"] = "random_solarize",
        ["blur"] = "gaussian_blur",
        ["erasing"] = "random_erasing",
        ["smoothing"] = "label_smoothing",
    };

    /// <summary>The present name of something that is chosen by name.</summary>
    internal static string Choice(string name) => choices.GetValueOrDefault(name, name);

    /// <summary>The present path of a field, also of one in a stage.</summary>
    internal static string Path(string path)
    {
        var isStage = path.StartsWith("stages.", StringComparison.Ordinal);
        var stage = isStage && path.Split('.', 3) is [_, var number, _] ? $"stages.{number}." : "";
        var below = path[stage.Length..];
        foreach (var (old, current) in fields)
            if (below == old || below.StartsWith($"{old}.", StringComparison.Ordinal))
                return $"{stage}{current}{below[old.Length..]}";
        return path;
    }

    /// <summary>The path of a field that is a task's own now, where a path names it by its earlier place; else the path itself.</summary>
    internal static string[] TaskPath(string[] path)
    {
        var moved = Array.Find(ofTasks, field => field.Old == string.Join('.', path));
        return moved.Old is null ? path : ["task", moved.Field];
    }

    /// <summary>The field of a map that a name means: the name itself, or what is chosen by the same thing's other name.</summary>
    internal static string FieldOf(RecipeMap map, string name) =>
        map[name] is null && map.Fields.FirstOrDefault(field => Choice(field.Name) == Choice(name)).Name is { } other ? other : name;

    /// <summary>A recipe with present names.</summary>
    /// <exception cref="RecipeException">A field is given under its old and its present name.</exception>
    internal static RecipeMap Upgrade(RecipeMap root)
    {
        foreach (var (old, current) in fields)
            if (Find(root, old) is { } node)
            {
                if (Find(root, current) is not null)
                    throw new RecipeException(node.Place, old, $"this is the old name of {current}, which is given as well");
                root = Put(Remove(root, old), current.Split('.'), node);
            }
        foreach (var (old, task, field, standard) in ofTasks)
            if (Find(root, old) is { } node)
            {
                root = Remove(root, old);
                if (node is RecipeValue value && (value.IsNull || value.Text == standard))
                    continue;
                if (root["task"] is null)
                {
                    var name = new RecipeValue(task, false, node.Place);
                    root = root.With("task", new RecipeMap([(RecipeShape.NameField, node.Place, name)], node.Place));
                }
                else if (Find(root, $"task.{field}") is not null)
                    throw new RecipeException(node.Place, old, $"this is the old name of task.{field}, which is given as well");
                root = Put(root, ["task", field], node);
            }
        return root;
    }

    private static RecipeNode? Find(RecipeMap root, string path) =>
        path.Split('.').Aggregate((RecipeNode?)root, (node, name) => (node as RecipeMap)?[name]);

    private static RecipeMap Remove(RecipeMap map, string path)
    {
        var (name, rest) = path.Split('.', 2) is [var first, var below] ? (first, below) : (path, null);
        return rest is null
            ? map with
            {
                Fields = [.. map.Fields.Where(field => field.Name != name)],
            }
            : map.With(name, Remove((RecipeMap)map[name]!, rest));
    }

    private static RecipeMap Put(RecipeMap map, ReadOnlySpan<string> path, RecipeNode node)
    {
        if (path.Length == 1)
            return map.With(path[0], node);
        var section = map[path[0]] switch
        {
            RecipeMap below => below,
            // A task that is written as a name alone.
            RecipeValue { IsNull: false } name => new RecipeMap([(RecipeShape.NameField, name.Place, name)], name.Place),
            _ => new RecipeMap([], node.Place),
        };
        return map.With(path[0], Put(section, path[1..], node));
    }
}
