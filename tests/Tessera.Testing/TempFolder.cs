using System.Text;

namespace Tessera.Testing;

/// <summary>A folder of its own for a test, removed with all that is in it.</summary>
/// <param name="inMemory">Whether it lies in memory, where there is a place for that: for tests with many large files.</param>
public sealed class TempFolder(bool inMemory = false) : IDisposable
{
    /// <summary>Its path.</summary>
    public string Path { get; } =
        inMemory && Directory.Exists("/dev/shm")
            ? Directory.CreateDirectory($"/dev/shm/tessera-test-{Guid.NewGuid():N}").FullName
            : Directory.CreateTempSubdirectory("tessera-test-").FullName;

    /// <summary>The path of a file in it.</summary>
    public string this[string name] => System.IO.Path.Combine(Path, name);

    /// <summary>The names of the files directly in it.</summary>
    public string[] Names => [.. new DirectoryInfo(Path).GetFiles().Select(file => file.Name)];

    /// <summary>Writes a file, and the folders that lead to it; gives its path.</summary>
    public string Write(string name, byte[] content)
    {
        var path = this[name];
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, content);
        return path;
    }

    /// <inheritdoc cref="Write(string, byte[])"/>
    public string Write(string name, string content) => Write(name, Encoding.UTF8.GetBytes(content));

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
