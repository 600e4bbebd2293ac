using System.CommandLine;
using System.Globalization;
using Tessera.Cli.Shell;
using Tessera.Data.Sets;
using Tessera.Models;
using Tessera.Training.Bundles;

namespace Tessera.Cli.Inputs;

/// <summary>What commands that use a trained model share.</summary>
internal static class ModelLoading
{
    /// <summary>A model of the registry, where a name is no folder.</summary>
    /// <exception cref="UserException">The name looks like a path.</exception>
    /// <exception cref="UnknownModelException">There is no such model; the message names the nearest.</exception>
    internal static Variant Find(string name) =>
        name.Contains(Path.DirectorySeparatorChar, StringComparison.Ordinal)
            ? throw new UserException($"there is no run folder {name}")
            : Registry.Get(name);

    /// <summary>Which of several sets of weights in a file.</summary>
    internal static Option<string?> KeyOption() =>
        new("--key")
        {
            Description = "Of a weight file with several sets of weights, the one under this key, such as teacher.",
            HelpName = "key",
        };

    /// <summary>Which of several networks in a set of weights.</summary>
    internal static Option<string?> PrefixOption() =>
        new("--prefix")
        {
            Description = "Take only the weights of the file whose names begin with this, such as backbone., and strip it.",
            HelpName = "prefix",
        };

    /// <summary>The weight file that a command was given, with the part of it that was chosen; null for none.</summary>
    /// <exception cref="UserException">A part of a file was chosen, and there is no file.</exception>
    internal static WeightsFile? Weights(string? file, string? key, string? prefix, bool averaged) =>
        file is not null ? new(file, key, prefix, averaged ? true : null)
        : key is null && prefix is null ? null
        : throw new UserException("--key and --prefix need --checkpoint: they choose a part of a weight file");

    /// <summary>The classes of a weight file as a user gives them: their number, or a file of their names.</summary>
    /// <exception cref="UserException">It is neither a number nor a file.</exception>
    internal static (int? Count, IReadOnlyList<string>? Names) ClassesOf(string? given)
    {
        if (given is null)
            return (null, null);
        if (int.TryParse(given, NumberStyles.None, CultureInfo.InvariantCulture, out var count))
            return count > 0 ? (count, null) : throw new UserException("--classes must be at least 1");
        if (!File.Exists(given))
            throw new UserException($"--classes must be a number or a file of names, and there is no file {given}");
        var names = ClassList.ReadFile(given);
        return (names.Count, names);
    }

    /// <summary>Names of classes of which the number alone is known; null where it is not.</summary>
    internal static IReadOnlyList<string>? Numbered(int? count) =>
        count is { } classes ? [.. Enumerable.Range(0, classes).Select(label => $"class {label}")] : null;

    /// <summary>The option of <see cref="ClassesOf"/>.</summary>
    internal static Option<string?> ClassesOption() =>
        new("--classes")
        {
            Description =
                "Classes of the weight file: their number, or a file of their names (one a line, a JSON list, or a JSON object of names by "
                + "number); by default those of the paper.",
            HelpName = "number|file",
        };

    /// <summary>Says what was chosen where the user had not.</summary>
    internal static void ShowNotes(IEnumerable<string> notes, Terminal terminal)
    {
        foreach (var note in notes)
            terminal.Note(note);
    }

    /// <summary>Where the model computes.</summary>
    internal static Option<string> DeviceOption()
    {
        var option = new Option<string>("--device")
        {
            Description = "Device of the model: cpu, cuda or cuda:N.",
            HelpName = "device",
            DefaultValueFactory = _ => "cpu",
        };
        option.Validators.Add(result =>
        {
            try
            {
                Device.Parse(result.GetValueOrDefault<string>());
            }
            catch (FormatException error)
            {
                result.AddError(error.Message);
            }
        });
        return option;
    }
}
