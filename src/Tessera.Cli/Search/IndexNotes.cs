using System.Globalization;
using Tessera.Cli.Inputs;
using Tessera.Models;

namespace Tessera.Cli.Search;

/// <summary>What an index keeps so that its model is found again, and used in the same way.</summary>
internal static class IndexNotes
{
    private const string ModelName = "model",
        Checkpoint = "checkpoint",
        Key = "key",
        Prefix = "prefix",
        Weights = "weights",
        Best = "best",
        Averaged = "ema",
        Pool = "pool",
        GemPower = "gem_power",
        Prepared = "preparation",
        FittedOn = "pca_pictures";

    internal static IReadOnlyDictionary<string, string> Of(ModelChoice choice, Descriptor descriptor, string preparation, int? fittedOn)
    {
        var notes = new OrderedDictionary<string, string>
        {
            [ModelName] = choice.Name,
            [Pool] = RecipeValue.Of(descriptor.Pooling),
            [GemPower] = descriptor.GemPower.ToString(CultureInfo.InvariantCulture),
            [Prepared] = preparation,
        };
        Add(Checkpoint, choice.Checkpoint);
        Add(Key, choice.Key);
        Add(Prefix, choice.Prefix);
        Add(
            Weights,
            string.Join(',', [.. choice.Best ? [Best] : Array.Empty<string>(), .. choice.Averaged ? [Averaged] : Array.Empty<string>()])
        );
        Add(FittedOn, fittedOn?.ToString(CultureInfo.InvariantCulture));
        return notes;

        void Add(string name, string? value)
        {
            if (value is { Length: > 0 })
                notes[name] = value;
        }
    }

    /// <summary>The model; null where another program has made the index.</summary>
    internal static ModelChoice? Model(IReadOnlyDictionary<string, string> notes)
    {
        if (!notes.TryGetValue(ModelName, out var name))
            return null;
        var weights = notes.GetValueOrDefault(Weights, "").Split(',');
        return new(
            name,
            notes.GetValueOrDefault(Checkpoint),
            notes.GetValueOrDefault(Key),
            notes.GetValueOrDefault(Prefix),
            Best: weights.Contains(Best),
            Averaged: weights.Contains(Averaged)
        );
    }

    /// <summary>How the model describes pictures; as a new index would where the index does not say.</summary>
    internal static Descriptor Descriptor(IReadOnlyDictionary<string, string> notes)
    {
        var fallback = new Descriptor();
        return new(
            Enum.TryParse<DescriptorPooling>(notes.GetValueOrDefault(Pool), ignoreCase: true, out var pooling) ? pooling : fallback.Pooling,
            double.TryParse(notes.GetValueOrDefault(GemPower), NumberStyles.Float, CultureInfo.InvariantCulture, out var power)
                ? power
                : fallback.GemPower
        );
    }

    /// <summary>How pictures are prepared, in words.</summary>
    internal static string Preparation(IReadOnlyDictionary<string, string> notes) => notes.GetValueOrDefault(Prepared, "unknown");
}
