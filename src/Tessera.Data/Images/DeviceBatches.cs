using Tessera.Data.Transforms;

namespace Tessera.Data.Images;

/// <summary>Which transforms batches can be made with on a device.</summary>
internal static class DeviceBatches
{
    /// <summary>Names the first transform that works on the processor only, in a sentence; null when there is none.</summary>
    /// <param name="transforms">Of a recipe.</param>
    public static string? Obstacle(IEnumerable<Transform> transforms) =>
        transforms.FirstOrDefault(transform => !IsPossible(transform.GetType())) is { } obstacle
            ? $"{TransformRegistry.NameOf(obstacle)} works on the processor only; on a device there are {string.Join(", ", Possible)}"
            : null;

    private static IEnumerable<string> Possible =>
        TransformRegistry.Kinds.Values.Where(kind => IsPossible(kind.Type)).Select(kind => kind.Name).Order(StringComparer.Ordinal);

    private static bool IsPossible(Type transform) =>
        transform.IsAssignableTo(typeof(MovingTransform))
        || transform == typeof(RandomErasing)
        || transform == typeof(LabelScale)
        || transform.IsAssignableTo(typeof(BatchTransform));
}
