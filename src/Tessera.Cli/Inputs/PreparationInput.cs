using System.CommandLine;
using System.Globalization;
using Tessera.Cli.Shell;
using Tessera.Data.Imaging;
using Tessera.Training.Bundles;

namespace Tessera.Cli.Inputs;

/// <summary>Options that prepare images otherwise than a model asks for.</summary>
internal static class PreparationInput
{
    private static readonly Option<string?> Mean = new("--mean")
    {
        Description = "Mean per channel of values in [0, 1], as in 0.485,0.456,0.406.",
        HelpName = "numbers",
    };
    private static readonly Option<string?> Deviation = new("--std")
    {
        Description = "Standard deviation per channel of values in [0, 1].",
        HelpName = "numbers",
    };
    private static readonly Option<double?> Crop = new("--crop")
    {
        Description = "Side of the centre crop as a share of the resized shorter side, above 0 and at most 1.",
        HelpName = "share",
    };
    private static readonly Option<string?> Filter = new("--interpolation")
    {
        Description = "Filter of the resize: bicubic, bilinear or nearest.",
        HelpName = "filter",
    };

    static PreparationInput() => Filter.AcceptOnlyFromAmong("bicubic", "bilinear", "nearest");

    /// <summary>Gives a command the options.</summary>
    internal static void AddTo(Command command)
    {
        foreach (var option in (Option[])[Mean, Deviation, Crop, Filter])
            command.Options.Add(option);
    }

    /// <summary>What was given; null for nothing.</summary>
    /// <exception cref="UserException">What was given is no list of numbers.</exception>
    internal static PreparationChanges? Of(ParseResult parsed)
    {
        var changes = new PreparationChanges(
            Numbers(parsed, Mean),
            Numbers(parsed, Deviation),
            parsed.GetValue(Crop),
            parsed.GetValue(Filter) is { } filter ? Enum.Parse<Interpolation>(filter, ignoreCase: true) : null
        );
        return changes == new PreparationChanges() ? null : changes;
    }

    private static float[]? Numbers(ParseResult parsed, Option<string?> option)
    {
        if (parsed.GetValue(option) is not { } text)
            return null;
        var parts = text.Split(',', StringSplitOptions.TrimEntries);
        var numbers = new float[parts.Length];
        for (var i = 0; i < parts.Length; i++)
            if (!float.TryParse(parts[i], NumberStyles.Float, CultureInfo.InvariantCulture, out numbers[i]) || !float.IsFinite(numbers[i]))
                throw new UserException($"{option.Name} must be numbers with commas between them, as in 0.485,0.456,0.406, not '{text}'");
        return numbers;
    }
}
