namespace Tessera.Data;

/// <summary>Which data sets and transforms batches can be made of on a device.</summary>
public static class DeviceBatches
{
    /// <summary>Why batches cannot be made on a device; null when they can.</summary>
    /// <param name="data">What is read.</param>
    /// <param name="pipeline">What happens to it.</param>
    public static string? Obstacle(Dataset data, Pipeline pipeline) =>
        data is not ImageDataset images ? "only images lie on a device"
        : images is not { InMemory: true, Height: not null, Width: not null }
            ? "its images are decoded from files, and only those that lie in memory can lie on a device"
        : Obstacle(pipeline.Transforms);

    /// <summary>The first transform that works on the processor only, in a sentence; null when there is none.</summary>
    /// <param name="transforms">Of a recipe.</param>
    public static string? Obstacle(IEnumerable<Transform> transforms) =>
        transforms.FirstOrDefault(transform => !IsPossible(transform.GetType())) is { } obstacle
            ? $"{NameOf(obstacle)} works on the processor only; on a device there are {string.Join(", ", Transforms.Kinds.Values.Where(kind => IsPossible(kind.Type)).Select(kind => kind.Name).Order(StringComparer.Ordinal))}"
            : null;

    private static bool IsPossible(Type transform) =>
        transform.IsAssignableTo(typeof(MovingTransform))
        || transform == typeof(RandomErasing)
        || transform.IsAssignableTo(typeof(BatchTransform));

    private static string NameOf(Transform transform) =>
        Transforms.Kinds.Values.FirstOrDefault(kind => kind.Type == transform.GetType())?.Name ?? transform.GetType().Name;
}
