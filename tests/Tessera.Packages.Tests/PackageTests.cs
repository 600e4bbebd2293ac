using System.IO.Compression;
using System.Reflection.Metadata;
using System.Text;
using System.Xml.Linq;
using Tessera.Testing;

namespace Tessera.Packages.Tests;

/// <summary>What lies in the packages, read as NuGet and a lawyer read it.</summary>
[Collection(nameof(Feed))]
[Trait("Category", "Long")]
public sealed class PackageTests(Feed feed)
{
    private static readonly string[] packages =
    [
        "Tessera",
        "Tessera.Data",
        "Tessera.Deploy",
        "Tessera.Models",
        "Tessera.Retrieval",
        "Tessera.Search",
        "Tessera.Torch",
        "Tessera.Training",
    ];

    private static string? Field(XElement metadata, string name) =>
        metadata.Elements().FirstOrDefault(e => e.Name.LocalName == name)?.Value;

    private string[] Dependencies(string package) =>
        [
            .. feed.Metadata(package)
                .Descendants()
                .Where(element => element.Name.LocalName == "dependency")
                .Select(element => element.Attribute("id")!.Value)
                .Order(StringComparer.Ordinal),
        ];

    // Without what every package has of NuGet's own.
    private string[] Files(string package, string extension = "nupkg")
    {
        using var archive = feed.Open(package, extension);
        return
        [
            .. archive
                .Entries.Select(entry => entry.FullName)
                .Where(name =>
                    !name.StartsWith("_rels/", StringComparison.Ordinal) && !name.StartsWith("package/", StringComparison.Ordinal)
                )
                .Where(name => name != "[Content_Types].xml" && !name.EndsWith(".nuspec", StringComparison.Ordinal))
                .Order(StringComparer.Ordinal),
        ];
    }

    [Fact]
    public void There_is_a_package_per_project_and_no_other() =>
        Assert.Equal(
            packages.SelectMany(package => new[] { $"{package}.{feed.Version}.nupkg", $"{package}.{feed.Version}.snupkg" }).Order(),
            Directory.GetFiles(feed.Folder).Select(Path.GetFileName).Order()
        );

    [Fact]
    public void Each_says_what_it_is_who_made_it_and_under_which_licence()
    {
        foreach (var package in packages)
        {
            var metadata = feed.Metadata(package);
            Assert.InRange(Field(metadata, "description")!.Length, 80, 400);
            Assert.Contains("vision-transformer", Field(metadata, "tags")!, StringComparison.Ordinal);
            Assert.Equal("MIT", Field(metadata, "license"));
            Assert.Equal("README.md", Field(metadata, "readme"));
            Assert.Equal("The Tessera authors", Field(metadata, "authors"));
            var repository = metadata.Elements().Single(element => element.Name.LocalName == "repository");
            Assert.StartsWith("https://github.com/", repository.Attribute("url")!.Value, StringComparison.Ordinal);
            Assert.Matches("^[0-9a-f]{40}$", repository.Attribute("commit")!.Value);
        }
        Assert.Equal(packages.Length, packages.Select(package => Field(feed.Metadata(package), "description")).Distinct().Count());
    }

    [Fact]
    public void Each_holds_its_assembly_its_documentation_its_page_and_the_notices()
    {
        foreach (var package in packages)
        {
            string[] expected =
            [
                "README.md",
                "THIRD-PARTY-NOTICES.md",
                $"lib/net10.0/{package}.dll",
                $"lib/net10.0/{package}.xml",
                .. package == "Tessera.Torch"
                    ? ["analyzers/dotnet/cs/Tessera.Torch.Generator.dll", $"runtimes/linux-x64/native/{feed.NativeName}"]
                    : Array.Empty<string>(),
            ];
            Assert.Equal(expected.Order(StringComparer.Ordinal), Files(package));
            Assert.Equal([$"lib/net10.0/{package}.pdb"], Files(package, "snupkg"));
        }
    }

    [Fact]
    public void Each_asks_for_what_its_project_refers_to()
    {
        Assert.Equal(["System.IO.Hashing"], Dependencies("Tessera.Torch"));
        Assert.Equal(["Tessera.Torch"], Dependencies("Tessera.Models"));
        Assert.Equal(["NetVips.Native.linux-x64", "Tessera.Torch", "YamlDotNet"], Dependencies("Tessera.Data"));
        Assert.Equal(["Tessera.Models"], Dependencies("Tessera.Deploy"));
        Assert.Equal(["Cloud.Unum.USearch", "System.IO.Hashing", "Tessera.Torch"], Dependencies("Tessera.Retrieval"));
        Assert.All(["Tessera.Data", "Tessera.Models"], package => Assert.Contains(package, Dependencies("Tessera.Training")));
        Assert.Equal(["Microsoft.Data.Sqlite", "Npgsql", "Tessera.Deploy", "Tessera.Training"], Dependencies("Tessera.Search"));
        // Who does not search carries no library for it.
        Assert.All(packages.Where(package => package is not ("Tessera" or "Tessera.Retrieval" or "Tessera.Search")), package =>
            Assert.Contains(package, Dependencies("Tessera"))
        );
        Assert.DoesNotContain("Tessera.Retrieval", Dependencies("Tessera"));
        Assert.DoesNotContain("Tessera.Search", Dependencies("Tessera"));
        Assert.DoesNotContain(packages.SelectMany(Dependencies), id => id.Contains("Generator", StringComparison.Ordinal));
    }

    [Fact]
    public void The_notices_name_every_dependency_of_others()
    {
        var notices = File.ReadAllText(Path.Combine(Checkout.Root, "src", "THIRD-PARTY-NOTICES.md"));
        Assert.All(packages.SelectMany(Dependencies).Where(id => !packages.Contains(id)), id =>
            Assert.Contains(id, notices, StringComparison.Ordinal)
        );
        Assert.Contains("LGPL", notices, StringComparison.Ordinal);
    }

    [Fact]
    public void Symbols_lead_to_the_sources_in_the_repository()
    {
        foreach (var package in packages)
        {
            using var archive = feed.Open(package, "snupkg");
            using var content = new MemoryStream();
            using (var entry = archive.GetEntry($"lib/net10.0/{package}.pdb")!.Open())
                entry.CopyTo(content);
            content.Position = 0;
            using var provider = MetadataReaderProvider.FromPortablePdbStream(content);
            var reader = provider.GetMetadataReader();
            var links = reader
                .CustomDebugInformation.Select(reader.GetCustomDebugInformation)
                .Where(information => reader.GetGuid(information.Kind) == new Guid("CC110556-A091-4D38-9FEC-25AB9A351A6A"))
                .Select(information => Encoding.UTF8.GetString(reader.GetBlobBytes(information.Value)));
            Assert.Contains("https://raw.githubusercontent.com/", Assert.Single(links), StringComparison.Ordinal);
            // Names of this machine's folders would make packages of two machines differ.
            Assert.All(reader.Documents.Select(document => reader.GetString(reader.GetDocument(document).Name)), name =>
                Assert.StartsWith("/_", name, StringComparison.Ordinal)
            );
        }
    }
}
