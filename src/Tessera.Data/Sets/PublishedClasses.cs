namespace Tessera.Data.Sets;

/// <summary>Names of the classes of published sets, in the order in which published weights have them.</summary>
public static class PublishedClasses
{
    /// <summary>The classes of a set; null where they are not built in.</summary>
    /// <param name="dataset">As the registry of models calls it: CIFAR-10.</param>
    public static IReadOnlyList<string>? Of(string? dataset) =>
        dataset switch
        {
            ImageNetClasses.Dataset => ImageNetClasses.Names,
            "CIFAR-10" => LabelTables.Cifar10,
            "CIFAR-100" => LabelTables.Cifar100,
            _ => null,
        };
}
