using System.Globalization;
using Tessera.Data;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives;

/// <summary>
/// How much the classes count in a loss: <c>balanced</c> (N / (C n) for a class with n of the N training samples of C classes), a list with
/// a weight for every class, or weights by class name, where classes that are not named have the weight 1.
/// </summary>
internal abstract record ClassWeighting
{
    private const string BalancedName = "balanced";

    /// <summary>The weight of each class.</summary>
    /// <param name="labels">Of the training samples.</param>
    /// <exception cref="ArgumentException">The weights are not for these classes.</exception>
    public float[] Of(ClassLabels labels) =>
        Of(
            labels.ClassNames,
            () =>
            {
                var counts = new long[labels.ClassNames.Count];
                foreach (var label in labels.Labels)
                    counts[label]++;
                return counts;
            },
            "samples"
        );

    /// <summary>The weight of each class.</summary>
    /// <param name="classes">Name per class.</param>
    /// <param name="count">Counts what each class has in training, if that matters; it may take time.</param>
    /// <param name="noun">What is counted: samples or pixels.</param>
    /// <exception cref="ArgumentException">The weights are not for these classes.</exception>
    public abstract float[] Of(IReadOnlyList<string> classes, Func<IReadOnlyList<long>> count, string noun);

    /// <summary>What a recipe says.</summary>
    /// <exception cref="ArgumentException">It says something else.</exception>
    internal static ClassWeighting Of(RecipeNode given) =>
        given switch
        {
            RecipeValue { Text: BalancedName } => new Balanced(),
            RecipeList { Items.Count: > 0 } list => new Listed([.. list.Items.Select(Weight)]),
            RecipeMap { Fields.Count: > 0 } map => new Named([.. map.Fields.Select(field => (field.Name, Weight(field.Node)))]),
            _ => throw new ArgumentException(
                $"class_weights must be {BalancedName}, a list of weights or weights by class name, not {given.Kind}"
            ),
        };

    private static double Weight(RecipeNode node) =>
        node is RecipeValue value
        && double.TryParse(value.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out var weight)
        && weight > 0
        && double.IsFinite((float)weight)
        && (float)weight > 0
            ? weight
            : throw new ArgumentException($"class_weights: each weight must be a number above 0, not {node.Kind}");

    private sealed record Balanced : ClassWeighting
    {
        public override float[] Of(IReadOnlyList<string> classes, Func<IReadOnlyList<long>> count, string noun)
        {
            long[] counts = [.. count()];
            if (Array.IndexOf(counts, 0) is >= 0 and var missing)
                throw new ArgumentException(
                    $"objective.class_weights cannot be balanced: class '{classes[missing]}' has no training {noun}"
                );
            return [.. counts.Select(own => (float)(counts.Sum() / ((double)counts.Length * own)))];
        }
    }

    private sealed record Listed(double[] Weights) : ClassWeighting
    {
        public override float[] Of(IReadOnlyList<string> classes, Func<IReadOnlyList<long>> count, string noun) =>
            Weights.Length == classes.Count
                ? [.. Weights.Select(weight => (float)weight)]
                : throw new ArgumentException(
                    $"objective.class_weights must have {classes.Count} weights, one for each class, not {Weights.Length}"
                );
    }

    private sealed record Named((string Class, double Weight)[] Weights) : ClassWeighting
    {
        public override float[] Of(IReadOnlyList<string> classes, Func<IReadOnlyList<long>> count, string noun)
        {
            var result = new float[classes.Count];
            Array.Fill(result, 1);
            foreach (var (name, weight) in Weights)
            {
                int[] places = [.. classes.Index().Where(known => known.Item == name).Select(known => known.Index)];
                if (places.Length != 1)
                    throw new ArgumentException(
                        places.Length > 1
                            ? $"objective.class_weights: {places.Length} classes are called '{name}': give a list of weights"
                            : $"objective.class_weights: there is no class '{name}'"
                                + (Spelling.Meant(name, classes) is { } meant ? $"; did you mean '{meant}'?" : "")
                    );
                result[places[0]] = (float)weight;
            }
            return result;
        }
    }
}
