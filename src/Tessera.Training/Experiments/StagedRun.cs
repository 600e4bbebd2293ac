using System.Text.Json;
using Tessera.Distributed;
using Tessera.Training.Recipes;
using Tessera.Training.Runs;

namespace Tessera.Training.Experiments;

/// <summary>
/// Several trainings that build on each other, from one recipe: pre-training and fine-tuning, teacher and student. The recipe has
/// a list <c>stages</c>; each stage has a <c>name</c> and what is different from the fields beside the list. A value
/// <c>stage:NAME</c> stands for the run of an earlier stage (<c>model.weights</c>, <c>teacher.run</c>), <c>stage:NAME/file</c> for
/// a file or folder in it. Every stage is a run of its own, in a folder of the stage's name.
/// </summary>
public sealed class StagedRun
{
    private const string Field = "stages",
        Reference = "stage:",
        ListName = "stages.json";

    private StagedRun(string folder, IReadOnlyList<Stage> stages) => (Folder, Stages) = (folder, stages);

    /// <summary>One of the trainings.</summary>
    /// <param name="Name">As in the recipe.</param>
    /// <param name="Folder">Of its run.</param>
    /// <param name="RecipePath">Its resolved recipe, which lies beside the runs until the stage begins.</param>
    public sealed record Stage(string Name, string Folder, string RecipePath)
    {
        /// <summary>Whether it was trained to its end.</summary>
        public bool Done => File.Exists(new RunFolder(Folder).ResultsPath);
    }

    /// <summary>Folder of all runs.</summary>
    public string Folder { get; }

    /// <summary>The stages in order.</summary>
    public IReadOnlyList<Stage> Stages { get; }

    /// <summary>Those that are not done yet: the first may have begun.</summary>
    public IEnumerable<Stage> Remaining => Stages.Where(stage => !stage.Done);

    /// <summary>Whether a recipe has stages.</summary>
    /// <exception cref="RecipeException">It cannot be read.</exception>
    public static bool IsStaged(string recipePath) =>
        File.Exists(recipePath) && RecipeReader.Read(File.ReadAllText(recipePath), recipePath)[Field] is not null;

    /// <summary>Whether a folder holds the runs of such a recipe.</summary>
    public static bool Exists(string folder) => File.Exists(Path.Combine(folder, ListName));

    /// <summary>The recipes of all stages.</summary>
    /// <param name="recipePath">The recipe.</param>
    /// <param name="settings">
    /// Single fields, as in <c>optimizer.lr=5e-4</c> for all stages or <c>stages.0.schedule.epochs=3</c> for one stage.
    /// </param>
    /// <param name="folder">Where the runs would go.</param>
    /// <exception cref="RecipeException">A stage cannot be used.</exception>
    public static IReadOnlyList<(string Name, Recipe Recipe)> Read(string recipePath, IEnumerable<string> settings, string folder)
    {
        var root = settings.Aggregate(RecipeReader.Read(File.ReadAllText(recipePath), recipePath), (map, setting) =>
            RecipeReader.Set(map, setting, typeof(Recipe))
        );
        if (root[Field] is not RecipeList { Items.Count: > 0 } list)
            throw new RecipeException(root[Field]?.Place ?? root.Place, Field, "must be a list of stages");
        var common = root with { Fields = [.. root.Fields.Where(f => f.Name != Field)] };
        var names = new List<string>();
        var result = new List<(string, Recipe)>();
        foreach (var item in list.Items)
        {
            if (item is not RecipeMap map || map["name"] is not RecipeValue { IsNull: false, Text: var name })
                throw new RecipeException(item.Place, Field, "each stage must have a name");
            if (name.Length == 0 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-') || names.Contains(name))
                throw new RecipeException(
                    map["name"]!.Place,
                    $"{Field}.name",
                    $"'{name}' must be unique and consist of letters, digits, _ and -"
                );
            var own = map with { Fields = [.. map.Fields.Where(f => f.Name != "name")] };
            result.Add((name, Recipe.Bind((RecipeMap)Resolve(Merge(common, own)))));
            names.Add(name);
        }
        return result;

        RecipeNode Resolve(RecipeNode node) =>
            node switch
            {
                RecipeMap map => map with { Fields = [.. map.Fields.Select(f => (f.Name, f.Place, Resolve(f.Node)))] },
                RecipeList items => items with { Items = [.. items.Items.Select(Resolve)] },
                RecipeValue { Text: var text } value when text.StartsWith(Reference, StringComparison.Ordinal) => names.Contains(
                    text[Reference.Length..].Split('/')[0]
                )
                    ? value with
                    {
                        Text = Path.Combine(folder, text[Reference.Length..]),
                        Quoted = true,
                    }
                    : throw new RecipeException(
                        value.Place,
                        "",
                        $"'{text}' must name an earlier stage{(names.Count == 0 ? ", and there is none" : $": {string.Join(", ", names)}")}"
                    ),
                _ => node,
            };
    }

    // Maps are joined field by field, unless they choose something else by name; everything else is replaced.
    private static RecipeNode Merge(RecipeNode below, RecipeNode above)
    {
        if (below is not RecipeMap first || above is not RecipeMap second || Chosen(second) is { } name && name != Chosen(first))
            return above;
        return second.Fields.Aggregate(first, (map, field) =>
            map.With(field.Name, map[field.Name] is { } old ? Merge(old, field.Node) : field.Node)
        );

        static string? Chosen(RecipeMap map) => (map["name"] as RecipeValue)?.Text;
    }

    /// <summary>Prepares the folder; nothing is trained yet.</summary>
    /// <exception cref="RecipeException">A stage cannot be used.</exception>
    /// <exception cref="RunException">The folder holds runs already.</exception>
    public static StagedRun Begin(string recipePath, IEnumerable<string> settings, string folder)
    {
        string[] given = [.. settings];
        var full = Path.GetFullPath(folder);
        if (Exists(full) || new RunFolder(full).Exists)
            throw new RunException($"{folder} already holds runs: continue with --resume {folder}, or choose another --out");
        var recipes = Read(recipePath, given, full);
        foreach (var (name, recipe) in recipes)
            RunRecipe.Write(RecipeOf(full, name), recipe, RunRecipe.CommandHead($"# Stage {name} of ", recipePath, given));
        RunFolder.Write(Path.Combine(full, ListName), JsonSerializer.Serialize(recipes.Select(r => r.Name), RunFolder.Json));
        return Of(full, recipes.Select(r => r.Name));
    }

    /// <summary>The runs of a folder.</summary>
    /// <exception cref="RunException">There are none.</exception>
    public static StagedRun Open(string folder)
    {
        var path = Path.Combine(folder, ListName);
        try
        {
            return Of(
                Path.GetFullPath(folder),
                JsonSerializer.Deserialize<string[]>(File.ReadAllBytes(path)) ?? throw new JsonException("it is empty")
            );
        }
        catch (Exception error) when (error is IOException or JsonException)
        {
            throw new RunException($"{path}: {error.Message.ReplaceLineEndings(" ")}");
        }
    }

    /// <summary>Takes note of the folder that the data was moved to, in all stages.</summary>
    /// <exception cref="RunException">There is no such folder, or the stages have data in several.</exception>
    public void MoveData(string root)
    {
        string[] files =
        [
            .. Stages.SelectMany(stage => new[] { stage.RecipePath, new RunFolder(stage.Folder).RecipePath }).Where(File.Exists),
        ];
        var recipes = files.Select(file => (File: file, Recipe: Recipe.Load(file))).ToArray();
        if (recipes.Select(one => (one.Recipe.Data.Name, one.Recipe.Data.Root)).Distinct().Count() > 1)
            throw new RunException(
                $"--root: the stages of {Folder} have data in several folders: set data.root in "
                    + string.Join(", ", files.Select(file => Path.GetRelativePath(Folder, file)))
            );
        foreach (var (file, recipe) in recipes)
            RunRecipe.Replace(file, RunRecipe.Moved(recipe, root));
    }

    private static StagedRun Of(string folder, IEnumerable<string> names) =>
        new(folder, [.. names.Select(name => new Stage(name, Path.Combine(folder, name), RecipeOf(folder, name)))]);

    private static string RecipeOf(string folder, string name) => Path.Combine(folder, $"{name}.yaml");

    /// <summary>Begins a stage, or goes on with it. The stages before it have to be done.</summary>
    /// <param name="stage">One of <see cref="Remaining"/>.</param>
    /// <param name="report">Told what happens.</param>
    /// <param name="group">Processes that train together. Null for one process.</param>
    /// <param name="options">What may be different where the stage goes on.</param>
    /// <param name="stop">Ends what comes before the training.</param>
    public static Experiment Start(
        Stage stage,
        Action<TrainingEvent>? report = null,
        ProcessGroup? group = null,
        ResumeOptions? options = null,
        CancellationToken stop = default
    )
    {
        var exists = new RunFolder(stage.Folder).Exists;
        // As rank 0 finds it, before it writes.
        if (group is not null)
            exists = group.Any(group.IsFirst && exists);
        return exists
            ? Experiment.Resume(stage.Folder, report, group, options, stop)
            : Experiment.Begin(stage.RecipePath, [], stage.Folder, report, group, stop);
    }
}
