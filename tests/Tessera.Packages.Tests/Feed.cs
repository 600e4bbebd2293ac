using System.IO.Compression;
using System.Xml.Linq;
using Tessera.Native;
using Tessera.Testing;

namespace Tessera.Packages.Tests;

/// <summary>The packages of this checkout, packed once for all tests, under a version that nobody has in a cache.</summary>
public sealed class Feed : IDisposable
{
    private readonly TempFolder folder = new();

    /// <summary>Packs them, with the native library of this checkout.</summary>
    public Feed()
    {
        var library = Checkout.NativeLibrary;
        NativeName = $"libtessera-{KeyOf(library)}.so";
        Directory.CreateDirectory(folder["native"]);
        File.Copy(library, folder[$"native/{NativeName}"]);
        Commands.Output(
            Checkout.Root,
            "dotnet",
            "pack",
            "Packages.slnf",
            "-c",
            Checkout.Configuration,
            "-v",
            "quiet",
            "-nologo",
            "-tl:off",
            "-nodeReuse:false",
            // What was built with them is packed.
            "-p:RunAnalyzers=false",
            $"-p:PackageOutputPath={Folder}",
            $"-p:PackageVersion={Version}",
            $"-p:NativeLibraries={folder["native"]}"
        );
    }

    /// <summary>Where the packages lie.</summary>
    public string Folder => folder["feed"];

    /// <summary>The version of all packages.</summary>
    public string Version { get; } = $"0.1.0-test.{Guid.NewGuid():N}";

    /// <summary>The file name of the native library.</summary>
    public string NativeName { get; }

    /// <summary>Says where packages come from: those of this checkout from here, others from where they usually do.</summary>
    /// <param name="project">The folder that asks for packages.</param>
    internal void Configure(string project) =>
        File.WriteAllText(
            Path.Combine(project, "nuget.config"),
            $"""
            <configuration>
              <packageSources><add key="tessera" value="{Folder}" /></packageSources>
              <config><add key="globalPackagesFolder" value="{folder["packages"]}" /></config>
              <fallbackPackageFolders><add key="user" value="{UsersPackages}" /></fallbackPackageFolders>
            </configuration>
            """
        );

    internal ZipArchive Open(string package, string extension = "nupkg") =>
        ZipFile.OpenRead(Path.Combine(Folder, $"{package}.{Version}.{extension}"));

    internal XElement Metadata(string package)
    {
        using var archive = Open(package);
        using var stream = archive.GetEntry($"{package}.nuspec")!.Open();
        return XDocument.Load(stream).Root!.Elements().Single();
    }

    /// <inheritdoc/>
    public void Dispose() => folder.Dispose();

    // The rule of scripts/pack and of Libtorch.Key.
    private static string KeyOf(string library)
    {
        var elf = ElfFile.Read(library)!;
        const string Engine = "libtorch_cpu.so";
        var engine = elf.Needed.First(name => name.StartsWith(Engine, StringComparison.Ordinal));
        return engine.Length > Engine.Length ? "debian-" + engine[(Engine.Length + 1)..] : Libtorch.In(elf.RunPath[0])!.Key!;
    }

    // What is there already need not be fetched.
    private static string UsersPackages =>
        Environment.GetEnvironmentVariable("NUGET_PACKAGES")
        ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
}

/// <summary>Tests that share the packages.</summary>
[CollectionDefinition(nameof(Feed))]
public sealed class FeedCollection : ICollectionFixture<Feed>;
