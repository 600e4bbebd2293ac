using Tessera.Training.Runs;

namespace Tessera.Training.Experiments;

/// <summary>The resolved recipe that a run keeps.</summary>
internal static class RunRecipe
{
    private const string Plain = "-_./=,:+@%";

    /// <summary>First line of the recipe of a run that a program has begun.</summary>
    internal const string CodeHead = "# A training that a program began; every field as it was then.";

    /// <summary>First line of the recipe of a run that a command has begun.</summary>
    /// <param name="of">What the first line says that it is the recipe of.</param>
    /// <param name="written">The recipe that the user has named.</param>
    /// <param name="settings">Single fields.</param>
    internal static string CommandHead(string of, string written, IEnumerable<string> settings)
    {
        string[] command = ["tessera", "train", Word(written), .. settings.SelectMany(setting => new[] { "--set", Word(setting) })];
        // A comment is one line.
        return Message.OneLine($"{of}{string.Join(' ', command)}");
    }

    /// <summary>Writes the recipe of a run that begins.</summary>
    /// <param name="path">The file.</param>
    /// <param name="recipe">The recipe.</param>
    /// <param name="head">First line of the file, a comment.</param>
    internal static void Write(string path, Recipe recipe, string head) =>
        RunFolder.Write(path, recipe.ToYaml($"{head}\n", absolutePaths: true));

    /// <summary>The recipe of data that has moved.</summary>
    /// <exception cref="RunException">There is no such folder.</exception>
    internal static Recipe Moved(Recipe recipe, string root) =>
        Directory.Exists(root)
            ? recipe with
            {
                Data = recipe.Data with { Root = Path.GetFullPath(root) },
            }
            : throw new RunException($"--root {root}: there is no such folder");

    /// <summary>Writes a recipe in the place of one that is there, whose comments at the beginning stay.</summary>
    internal static void Replace(string path, Recipe recipe)
    {
        var head = File.ReadLines(path).TakeWhile(line => line.StartsWith('#'));
        RunFolder.Write(path, recipe.ToYaml(string.Concat(head.Select(line => $"{line}\n")), absolutePaths: true));
    }

    // As a shell reads it back.
    private static string Word(string text) =>
        text.Length > 0 && text.All(c => char.IsLetterOrDigit(c) || Plain.Contains(c, StringComparison.Ordinal))
            ? text
            : $"'{text.Replace("'", @"'\''", StringComparison.Ordinal)}'";
}
