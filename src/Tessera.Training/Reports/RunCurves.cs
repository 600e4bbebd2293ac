using System.Text.Json.Nodes;

namespace Tessera.Training.Reports;

/// <summary>The log of a run as curves over its epochs.</summary>
/// <param name="log">Lines of the log.</param>
internal sealed class RunCurves(IReadOnlyList<JsonObject> log)
{
    private readonly double perEpoch = StepsPerEpoch(log);

    /// <summary>Lines of training.</summary>
    internal IReadOnlyList<JsonObject> Steps { get; } = Lines(log, "step");

    /// <summary>Lines of evaluations.</summary>
    internal IReadOnlyList<JsonObject> Evaluations { get; } = Lines(log, "evaluation");

    /// <summary>Epoch and value of a field of training.</summary>
    internal IReadOnlyList<(double X, double Y)> OfSteps(string field) => Points(Steps, field);

    /// <summary>Epoch and value of a field of evaluations.</summary>
    internal IReadOnlyList<(double X, double Y)> OfEvaluations(string field) => Points(Evaluations, field);

    private IReadOnlyList<(double X, double Y)> Points(IReadOnlyList<JsonObject> lines, string field) =>
        [.. lines.Where(line => line[field] is not null).Select(line => ((double)line["step"]! / perEpoch, (double)line[field]!))];

    // Both kinds of line tell epoch and step; at the end of an epoch they fix how many steps one has.
    private static double StepsPerEpoch(IReadOnlyList<JsonObject> log) =>
        (Lines(log, "evaluation").LastOrDefault() ?? Lines(log, "step").LastOrDefault()) is { } last
            ? (double)last["step"]! / (double)last["epoch"]!
            : 1;

    private static JsonObject[] Lines(IReadOnlyList<JsonObject> log, string kind) => [.. log.Where(line => (string?)line["kind"] == kind)];
}
